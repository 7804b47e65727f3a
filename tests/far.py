"""A sign-in in a real server's store, at the end of a line that fails when told."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from bitbucket_auth_async.manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.opening import OpenStore
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.record import Record
from bitbucket_auth_async.renewal import Timing
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from tests.ahead import HurriedClock
from tests.proxies import Line, line_to
from tests.servers import DURABLE, postgres_server, redis_server

CALLERS = 25
BOUND = 2.0
"""Seconds in which any caller must have an answer here, where a call to the store may take 0.4 s."""


class Watched:
    """A store that tells when somebody has found a claim in it."""

    def __init__(self, inner: TokenStore) -> None:
        self.inner = inner
        self.claim_seen = asyncio.Event()

    async def load(self, key: str, /) -> Versioned | None:
        found = await self.inner.load(key)
        if found is not None and found.record.claim is not None:
            self.claim_seen.set()
        return found

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        return await self.inner.swap(key, record, expected=expected)


class Far:
    """One sign-in in a store at the end of a line, and a way to look at it past the line."""

    def __init__(self, line: Line, through: OpenStore, past: OpenStore) -> None:
        self.line = line
        self.through = through
        self.past = past
        self.clock = HurriedClock()
        self.fake = FakeBitbucket(self.clock, strict=True, token_length=200)
        self.told: asyncio.Queue[EventKind] = asyncio.Queue()
        self.manager = self.another(through)

    def another(self, store: TokenStore, **timing: float) -> TokenManager:
        """Return a manager as another process would make it."""
        numbers: dict[str, Any] = {"store": 1.0, "closing": 1.0, **timing}
        return TokenManager(
            self.fake.client,
            store=store,
            key="alice",
            transport=self.fake,
            clock=self.clock,
            timing=Timing(**numbers),
            on_event=self.hear,
        )

    def later(self, seconds: float) -> None:
        """Let so much time have passed, and wake who slept."""
        self.clock.hurry(seconds)
        self.clock.wake()

    def hear(self, event: Event) -> None:
        self.told.put_nowait(event.kind)

    async def hears(self, kind: EventKind) -> None:
        """Wait until this has happened."""
        async with asyncio.timeout(20):
            while await self.told.get() is not kind:
                pass

    async def all_ask(self) -> list[Token | BaseException]:
        """Let many callers ask at once, and see that none of them waits for long."""
        began = time.monotonic()
        found = await asyncio.gather(*(self.manager.get_token() for _ in range(CALLERS)), return_exceptions=True)
        assert time.monotonic() - began < BOUND
        return found

    async def token(self) -> Token:
        """Return the one token that all callers get."""
        [token] = set(await self.all_ask())
        assert isinstance(token, Token), token
        return token

    async def record(self) -> Record:
        found = await self.past.load("alice")
        assert found is not None
        return found.record

    async def assert_whole(self, *, requests: int) -> None:
        """See that the sign-in is there, that nothing was spent twice, and so many requests were made."""
        record = await self.record()
        assert record.claim is None
        assert record.token is not None
        assert record.token == self.manager._token
        assert self.fake.is_spendable(record.token.refresh_token or "")
        assert self.fake.token_requests == requests
        assert self.fake.second_spends == []


Stores = Callable[[int, float], OpenStore]


@contextmanager
def server_of(kind: str) -> Generator[tuple[int, Stores]]:
    """Run a server; give its port, and how a store is made of a port and a time-out."""
    if kind == "valkey":
        with redis_server("valkey", *DURABLE) as server:
            yield server.port, lambda port, timeout: RedisStore(f"redis://127.0.0.1:{port}", timeout=timeout)
    else:
        with postgres_server() as server:
            dsn = "postgresql://postgres@127.0.0.1:{}/postgres"
            yield server.port, lambda port, timeout: PostgresStore(dsn.format(port), timeout=timeout)


@asynccontextmanager
async def far_from(server: tuple[int, Stores], patience: float) -> AsyncGenerator[Far]:
    """Put a line before the server; a call to the store through it takes *patience* seconds at most."""
    port, store_at = server
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(line_to(port))
        past = await stack.enter_async_context(store_at(port, 10.0))
        through = await stack.enter_async_context(store_at(line.port, patience))
        if isinstance(past, PostgresStore):
            await past.create_schema()
        far = Far(line, through, past)
        async with far.manager:
            await far.manager.adopt(far.fake.sign_in())
            yield far
            line.mend()
