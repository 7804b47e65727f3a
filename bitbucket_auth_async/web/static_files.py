"""STATIC: the folder of the browser client, for any framework's static file route."""

from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).with_name("static")
"""Folder with `bitbucket-auth.js`, the same as a module (`.mjs`), and TypeScript declarations."""
