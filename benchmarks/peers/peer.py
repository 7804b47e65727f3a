"""What each library is asked to do, and the list of those that are asked."""

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
    """One identity's token in one library's hands, used as that library's documentation says.

    A library that keeps nothing itself has its tokens kept by the program, in a JSON file, as the program that its
    documentation shows would do.
    """

    TITLE: ClassVar[str]
    DISTRIBUTIONS: ClassVar[tuple[str, ...]]
    """What a program installs."""
    STATEMENT: ClassVar[str]
    """What a program imports."""
    HTTP: ClassVar[str | None]
    """The client by which it sends a request to an API; None: it sends none."""
    AHEAD: ClassVar[float]
    """Seconds before its expiry at which an hour's token is renewed, by the library's own default."""
    LACKS: ClassVar[Mapping[str, str]]
    """By the scenario: why it has no such thing."""

    def __init__(self, world: World, file: Path | None) -> None:
        """Prepare; the sign-in is in *file* if one is given."""

    async def start(self, sign_in: SignIn | None) -> None:
        """Begin with a sign-in just made; None: with the one that an earlier run left in the file."""

    async def get_token(self) -> str:
        """Return an access token that the library holds to be good."""
        ...

    async def next_refresh_token(self) -> str | None:
        """Say which refresh token would be spent next."""
        ...

    async def get(self, url: str) -> int:
        """Send a GET with the token, and return the status of the answer, which has been read."""
        ...

    async def aclose(self) -> None:
        """Close what was opened."""


def load(name: str, *, many: bool = False) -> type[Peer]:
    """Import an adapter, and with it its library; with *many* the one for many identities, where there is another."""
    module = import_module(f"benchmarks.peers.adapters.{name}_peer")
    return cast("type[Peer]", getattr(module, "Many", module.Adapter) if many else module.Adapter)


def save(file: Path | None, content: Mapping[str, Any] | str) -> None:
    """Keep tokens as a careful program does: beside, then over."""
    if file is not None:
        beside = file.with_suffix(f".{os.getpid()}")
        beside.write_text(content if isinstance(content, str) else json.dumps(content))
        beside.replace(file)


def saved(file: Path | None) -> dict[str, Any]:
    """Return what an earlier run has kept."""
    assert file is not None, "without a file there is no earlier run"
    return dict(json.loads(file.read_text()))
