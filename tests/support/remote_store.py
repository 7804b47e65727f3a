"""A sign-in in a real server's store, at the end of a line that fails when told."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

from bitbucket_auth_async.errors import BitbucketAuthError, StoreError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.stores.open_store import OpenStore
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from tests.support.clocks import WakeableClock
from tests.support.store_servers import DURABLE, postgres_server, redis_server
from tests.support.tcp_proxies import Line, line_to

CALLERS = 25
HASTY = 0.4
"""Seconds that a call to the store may take where waiting is in vain."""
BOUND = 2.0
"""Seconds in which any caller must have an answer then."""


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


class Through:
    """The store at the end of a line: waited for with patience, until waiting is known to be in vain."""

    def __init__(self, patient: OpenStore, hasty: OpenStore) -> None:
        self.patient = patient
        self.hasty = hasty
        self.inner = patient

    async def load(self, key: str, /) -> Versioned | None:
        return await self.inner.load(key)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        return await self.inner.swap(key, record, expected=expected)


class Far:
    """One sign-in in a store at the end of a line, and a way to look at it past the line."""

    def __init__(self, line: Line, through: Through, past: OpenStore) -> None:
        self.line = line
        self.through = through
        self.past = past
        self.clock = WakeableClock()
        self.fake = FakeBitbucket(self.clock, strict=True, token_length=200)
        self.told: asyncio.Queue[EventKind] = asyncio.Queue()
        self.manager = self.another(through)

    def another(self, store: TokenStore, **timing: float) -> TokenManager:
        """Return a manager as another process would make it."""
        numbers: dict[str, Any] = {"closing": 1.0, **timing}
        return TokenManager(
            self.fake.client,
            store=store,
            key="alice",
            transport=self.fake,
            clock=self.clock,
            timing=Timing(**numbers),
            on_event=self.hear,
        )

    def die(self, how: Callable[[Line], object]) -> None:
        """Let this happen on the line from now on."""
        how(self.line)
        self.through.inner = self.through.hasty

    def mend(self) -> None:
        """Let everything through again."""
        self.line.mend()
        self.through.inner = self.through.patient

    def later(self, seconds: float) -> None:
        """Let so much time have passed, and wake who slept."""
        self.clock.advance(seconds)
        self.clock.wake()

    def hear(self, event: Event) -> None:
        self.told.put_nowait(event.kind)

    async def hears(self, kind: EventKind) -> None:
        """Wait until this has happened."""
        async with asyncio.timeout(20):
            while await self.told.get() is not kind:
                pass

    async def token(self) -> Token:
        """Let many callers ask at once, and return the one token that all of them get."""
        [token] = set(await asyncio.gather(*(self.manager.get_token() for _ in range(CALLERS))))
        return token

    async def in_vain(self, manager: TokenManager) -> list[BitbucketAuthError]:
        """Let many callers ask at once, see that none gets a token and none waits for long; return what they get."""
        began = time.monotonic()
        found = await asyncio.gather(*(manager.get_token() for _ in range(CALLERS)), return_exceptions=True)
        assert time.monotonic() - began < BOUND
        assert self.fake.token_requests == 0
        return [error for error in found if isinstance(error, BitbucketAuthError)]

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
async def far_from(server: tuple[int, Stores], *, hasty: float = HASTY) -> AsyncGenerator[Far]:
    """Put a line before the server, and sign in; once the line is dead, a call to the store takes so many seconds."""
    port, store_at = server
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(line_to(port))
        past, patient, in_haste = [
            await stack.enter_async_context(store_at(*where))
            for where in ((port, 10.0), (line.port, 10.0), (line.port, hasty))
        ]
        if isinstance(past, PostgresStore):
            await past.create_schema()
        far = Far(line, Through(patient, in_haste), past)
        async with far.manager:
            await far.manager.adopt(far.fake.sign_in())
            with suppress(StoreError):
                await in_haste.load("alice")  # so that it has a connection that can go dead
            yield far
            far.mend()
