"""aiohttp-oauth2-client: a grant that refreshes, in a client middleware of aiohttp.

https://pypi.org/project/aiohttp-oauth2-client/
"""

# Only the environment of `make compare` has the library.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
from aiohttp_oauth2_client.grant.common import OAuth2Grant
from aiohttp_oauth2_client.middleware import OAuth2Middleware

from benchmarks.peers.peer import save, saved
from benchmarks.peers.world import SignIn, World


class Adapter:
    """A grant with a token that the program has saved.

    Its AuthorizationCodeGrant omits the client's id in refresh requests, which Bitbucket refuses; its base class does
    the same work and sends the id.
    """

    TITLE: ClassVar[str] = "aiohttp-oauth2-client"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("aiohttp-oauth2-client",)
    STATEMENT: ClassVar[str] = "from aiohttp_oauth2_client.middleware import OAuth2Middleware"
    HTTP: ClassVar[str | None] = "aiohttp"
    AHEAD: ClassVar[float] = 30.0  # early_expiry
    LACKS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, world: World, file: Path | None) -> None:
        self.world = world
        self.file = file
        self.grant: Any = None
        self.kept: Any = None
        self.session: aiohttp.ClientSession | None = None

    async def start(self, sign_in: SignIn | None) -> None:
        if sign_in is None:
            token = saved(self.file)
        else:
            token = {**asdict(sign_in), "token_type": "bearer", "expires_at": int(sign_in.expires_at)}
            save(self.file, token)
        self.grant = OAuth2Grant(
            self.world.token_endpoint,
            token,
            client_id=self.world.client.client_id,
            client_secret=self.world.client.client_secret,
        )
        self.kept = self.grant.token

    async def get_token(self) -> str:
        await self.grant.ensure_active_token()
        token = self.grant.token
        if token is not self.kept:  # it has no callback for a refresh
            self.kept = token
            save(self.file, token.model_dump())
        return str(token.access_token)

    async def next_refresh_token(self) -> str | None:
        return str(self.grant.token.refresh_token)

    async def get(self, url: str) -> int:
        if self.session is None:
            self.session = aiohttp.ClientSession(middlewares=(OAuth2Middleware(self.grant),))
        async with self.session.get(url) as response:
            await response.read()
            return response.status

    async def aclose(self) -> None:
        if self.session is not None:
            await self.session.close()
        if self.grant is not None:
            await self.grant.close()
