"""httpx-oauth's OAuth2 client: the program decides when to refresh.

https://frankie567.github.io/httpx-oauth/oauth2/
"""

# Only the environment of `make compare` has the library.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from httpx_oauth.oauth2 import OAuth2, OAuth2Token

from benchmarks.peers.peer import save, saved
from benchmarks.peers.world import SignIn, World


class Adapter:
    """The program keeps the token, checks `is_expired`, calls `refresh_token` and saves."""

    TITLE: ClassVar[str] = "httpx-oauth"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("httpx-oauth",)
    STATEMENT: ClassVar[str] = "from httpx_oauth.oauth2 import OAuth2"
    HTTP: ClassVar[str | None] = None
    AHEAD: ClassVar[float] = 0.0  # is_expired has no leeway
    LACKS: ClassVar[Mapping[str, str]] = {"request": "it sends no API requests"}

    def __init__(self, world: World, file: Path | None) -> None:
        self.file = file
        self.client: Any = OAuth2(
            world.client.client_id,
            world.client.client_secret,
            world.authorization_endpoint,
            world.token_endpoint,
            refresh_token_endpoint=world.token_endpoint,
        )
        self.token: Any = None

    async def start(self, sign_in: SignIn | None) -> None:
        self.token = OAuth2Token(saved(self.file) if sign_in is None else asdict(sign_in))
        if sign_in is not None:
            save(self.file, self.token)

    async def get_token(self) -> str:
        if self.token.is_expired():
            self.token = await self.client.refresh_token(self.token["refresh_token"])
            save(self.file, self.token)
        return str(self.token["access_token"])

    async def next_refresh_token(self) -> str | None:
        return str(self.token["refresh_token"])

    async def get(self, url: str) -> int:
        msg = f"httpx-oauth sends no API requests: {url}"
        raise AssertionError(msg)  # LACKS excludes this scenario

    async def aclose(self) -> None:
        """Do nothing: it keeps no connection open."""
