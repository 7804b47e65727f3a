"""Where the browser client lies, for the static files of any framework."""

from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).with_name("static")
"""The folder with `bitbucket-auth.js`, the same for modules (`.mjs`), and declarations for TypeScript."""
