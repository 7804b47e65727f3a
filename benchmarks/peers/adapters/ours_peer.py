"""This library, used as its README says."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmarks.peers.world import SignIn, World
from bitbucket_auth_async import Token, TokenManager, TokenManagerPool
from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing import FakeClock

if TYPE_CHECKING:
    import aiohttp

    from bitbucket_auth_async.protocols import TokenStore


class Adapter:
    """A TokenManager with a FileStore or a MemoryStore."""

    TITLE: ClassVar[str] = "bitbucket-auth-async"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("bitbucket-auth-async",)
    STATEMENT: ClassVar[str] = "from bitbucket_auth_async import TokenManager"
    HTTP: ClassVar[str | None] = "aiohttp"
    AHEAD: ClassVar[float] = 288.0  # Timing.refresh_ahead is a tenth of an hour, minus jitter of at most a fifth
    LACKS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, world: World, file: Path | None) -> None:
        self.world = world
        self.store: TokenStore = MemoryStore() if file is None else FileStore(file)
        self.manager = TokenManager(world.client, store=self.store, key="alice", server=world.server)
        self.session: aiohttp.ClientSession | None = None

    async def start(self, sign_in: SignIn | None) -> None:
        if sign_in is None:
            return  # the store has it
        token = Token(**sign_in.to_dict())
        # An earlier run saved the token when it was new.
        earlier = FakeClock(wall=sign_in.issued_at)
        server, store = self.world.server, self.store
        async with TokenManager(self.world.client, store=store, key="alice", server=server, clock=earlier) as manager:
            await manager.adopt(token)

    async def get_token(self) -> str:
        return (await self.manager.get_token()).access_token

    async def next_refresh_token(self) -> str | None:
        await self.manager.idle()
        return (await self.manager.get_token()).refresh_token

    async def get(self, url: str) -> int:
        if self.session is None:
            self.session = authenticated_session(self.manager)
        async with self.session.get(url) as response:
            await response.read()
            return response.status

    async def aclose(self) -> None:
        if self.session is not None:
            await self.session.close()
        await self.manager.aclose()


class Many(Adapter):
    """One of many identities in a TokenManagerPool."""

    pool: ClassVar[TokenManagerPool | None] = None
    persons: ClassVar[int] = 0

    def __init__(self, world: World, file: Path | None) -> None:  # noqa: ARG002 - the same arguments as Adapter
        if Many.pool is None:
            Many.pool = TokenManagerPool(
                world.client, store=MemoryStore(), server=world.server, max_identities=1_000_000
            )
        Many.persons += 1
        self.key = str(Many.persons)
        self.manager = Many.pool.manager(self.key)

    async def start(self, sign_in: SignIn | None) -> None:
        if sign_in is not None:
            await self.manager.adopt(Token(**sign_in.to_dict()))

    async def get_token(self) -> str:
        assert Many.pool is not None
        return (await Many.pool.manager(self.key).get_token()).access_token
