"""A bare session: an access token in a static header, without renewal."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import aiohttp

from benchmarks.peers.world import SignIn, World

_NO_RENEWAL = "no renewal"


class Adapter:
    """The smallest program, and the baseline for the other adapters."""

    TITLE: ClassVar[str] = "bare session"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("aiohttp",)
    STATEMENT: ClassVar[str] = "import aiohttp"
    HTTP: ClassVar[str | None] = "aiohttp"
    AHEAD: ClassVar[float] = 0.0
    LACKS: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("at_expiry", "processes", "ahead", "cancelled", "lost", "crash", "outage"), _NO_RENEWAL
    )

    def __init__(self, world: World, file: Path | None) -> None:  # noqa: ARG002 - other adapters need them
        self.token = ""
        self.session: aiohttp.ClientSession | None = None

    async def start(self, sign_in: SignIn | None) -> None:
        assert sign_in is not None, "a bare session saves nothing"
        self.token = sign_in.access_token

    async def get_token(self) -> str:
        return self.token

    async def next_refresh_token(self) -> str | None:
        return None

    async def get(self, url: str) -> int:
        if self.session is None:
            self.session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.token}"})
        async with self.session.get(url) as response:
            await response.read()
            return response.status

    async def aclose(self) -> None:
        if self.session is not None:
            await self.session.close()
