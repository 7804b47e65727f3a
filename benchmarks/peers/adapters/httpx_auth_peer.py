"""httpx_auth's OAuth2AuthorizationCode, with its JSON file as token cache.

It works as `auth=` of httpx.AsyncClient too; the refresh is synchronous and blocks the loop.
https://github.com/Colin-b/httpx_auth
"""

# Only the environment of `make compare` has the library.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import httpx
from httpx_auth import JsonTokenFileCache, OAuth2, OAuth2AuthorizationCode, TokenMemoryCache

from benchmarks.peers.peer import save
from benchmarks.peers.world import SignIn, World


class Adapter:
    """The sign-in is put into its cache, so no browser is needed."""

    TITLE: ClassVar[str] = "httpx_auth"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("httpx_auth",)
    STATEMENT: ClassVar[str] = "from httpx_auth import OAuth2AuthorizationCode"
    HTTP: ClassVar[str | None] = "httpx"
    AHEAD: ClassVar[float] = 30.0  # early_expiry
    LACKS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, world: World, file: Path | None) -> None:
        self.world = world
        self.file = file
        self.auth: Any = OAuth2AuthorizationCode(
            world.authorization_endpoint,
            world.token_endpoint,
            client_id=world.client.client_id,
            client_secret=world.client.client_secret,
        )
        self.cache: Any = TokenMemoryCache()
        self.client: httpx.AsyncClient | None = None

    async def start(self, sign_in: SignIn | None) -> None:
        if sign_in is not None:
            token = [sign_in.access_token, sign_in.expires_at, sign_in.refresh_token]
            self.cache.tokens[self.auth.state] = token
            save(self.file, {self.auth.state: token})
        if self.file is not None:
            self.cache = JsonTokenFileCache(self.file)
        OAuth2.token_cache = self.cache  # it is global, and read at each request

    async def get_token(self) -> str:
        # As in its auth_flow for each request.
        token = self.cache.get_token(
            self.auth.state,
            early_expiry=self.auth.early_expiry,
            on_missing_token=_no_browser,
            on_expired_token=self.auth.refresh_token,
        )
        return str(token)

    async def next_refresh_token(self) -> str | None:
        entry = self.cache.tokens.get(self.auth.state)
        return None if entry is None else str(entry[2])

    async def get(self, url: str) -> int:
        if self.client is None:
            self.client = httpx.AsyncClient(auth=self.auth)
        return (await self.client.get(url)).status_code

    async def aclose(self) -> None:
        if self.client is not None:
            await self.client.aclose()


def _no_browser() -> None:
    """Raise where it would open a browser and wait for the person."""
    msg = "The person is asked to sign in again."
    raise PermissionError(msg)
