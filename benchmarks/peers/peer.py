"""The Protocol of an adapter for a library, and the list of libraries."""

import json
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from benchmarks.peers.world import SignIn, World

NAMES: tuple[str, ...] = (
    "ours",
    "authlib",
    "httpx_oauth",
    "aiohttp_oauth2_client",
    "httpx_auth",
    "google_auth",
    "requests_oauth2client",
    "aiobotocore",
    "bare",
)


class Peer(Protocol):
    """One identity's token, managed by one library as its documentation says.

    If a library does not save tokens, the adapter saves them in a JSON file, like the programs in its documentation.
    """

    TITLE: ClassVar[str]
    DISTRIBUTIONS: ClassVar[tuple[str, ...]]
    """The distributions that a program installs."""
    STATEMENT: ClassVar[str]
    """The import statement of a program."""
    HTTP: ClassVar[str | None]
    """Its HTTP client for API requests; None: it sends no API requests."""
    AHEAD: ClassVar[float]
    """How many seconds before its expiry a token of one hour is renewed by default."""
    LACKS: ClassVar[Mapping[str, str]]
    """The scenarios that the library does not support, and why."""

    def __init__(self, world: World, file: Path | None) -> None:
        """Prepare; the tokens are saved in *file*, if one is given."""

    async def start(self, sign_in: SignIn | None) -> None:
        """Start with a new sign-in; None: with the one that an earlier run saved in the file."""

    async def get_token(self) -> str:
        """Return an access token that the library considers valid."""
        ...

    async def next_refresh_token(self) -> str | None:
        """Return the refresh token that the library would use next."""
        ...

    async def get(self, url: str) -> int:
        """Send a GET with the token, read the answer and return its status."""
        ...

    async def aclose(self) -> None:
        """Close the library's connections."""


def load(name: str, *, many: bool = False) -> type[Peer]:
    """Import an adapter and its library; with *many*, the adapter for many identities if there is one."""
    module = import_module(f"benchmarks.peers.adapters.{name}_peer")
    return cast("type[Peer]", getattr(module, "Many", module.Adapter) if many else module.Adapter)


def save(file: Path | None, content: Mapping[str, Any] | str) -> None:
    """Save tokens as a careful program does: write a new file, then replace the old one."""
    if file is not None:
        beside = file.with_suffix(f".{os.getpid()}")
        beside.write_text(content if isinstance(content, str) else json.dumps(content))
        beside.replace(file)


def saved(file: Path | None) -> dict[str, Any]:
    """Return the tokens that an earlier run saved."""
    assert file is not None, "without a file there is no earlier run"
    return dict(json.loads(file.read_text()))
