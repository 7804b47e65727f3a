"""One sign-in in a real server's store, reached through a TCP proxy that fails on demand."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
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
from tests.support.store_servers import PostgresServer, RedisServer
from tests.support.tcp_proxies import TcpProxy, tcp_proxy

CALLERS = 25
SHORT_TIMEOUT = 0.2
"""Seconds that a call to the store may take once the proxy fails."""
LONGEST_WAIT = 5.0
"""Seconds in which any caller must have an answer then."""


class ClaimWatcher:
    """A store that sets `claim_seen` when a load returns a record with a claim."""

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


class SwitchableStore:
    """One store behind two clients, of which one has a short timeout; a test switches between them."""

    def __init__(self, patient: OpenStore, impatient: OpenStore) -> None:
        self.patient = patient
        self.impatient = impatient
        self.current = patient

    async def load(self, key: str, /) -> Versioned | None:
        return await self.current.load(key)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        return await self.current.swap(key, record, expected=expected)


class ProxiedSignIn:
    """A manager whose store is behind the proxy, and a direct connection to the same store."""

    def __init__(self, proxy: TcpProxy, store: SwitchableStore, direct: OpenStore) -> None:
        self.proxy = proxy
        self.store = store
        self.direct = direct
        self.clock = WakeableClock()
        self.fake = FakeBitbucket(self.clock, strict=True, token_length=200)
        self.events: asyncio.Queue[EventKind] = asyncio.Queue()
        self.manager = self.new_manager(store)

    def new_manager(self, store: TokenStore, **timing: float) -> TokenManager:
        """Return a manager as another process would make it."""
        numbers: dict[str, Any] = {"closing": 1.0, **timing}
        return TokenManager(
            self.fake.client,
            store=store,
            key="alice",
            transport=self.fake,
            clock=self.clock,
            timing=Timing(**numbers),
            on_event=self._note,
        )

    def fail(self, how: Callable[[TcpProxy], object]) -> None:
        """Let the proxy fail in this way from now on."""
        how(self.proxy)
        self.store.current = self.store.impatient

    def repair(self) -> None:
        """Let the proxy forward everything again."""
        self.proxy.repair()
        self.store.current = self.store.patient

    def advance(self, seconds: float) -> None:
        """Move the clock ahead, and run all timers that are due by then."""
        self.clock.advance(seconds)
        self.clock.wake()

    def _note(self, event: Event) -> None:
        self.events.put_nowait(event.kind)

    async def wait_for(self, kind: EventKind) -> None:
        """Wait until this event has been reported."""
        async with asyncio.timeout(20):
            while await self.events.get() is not kind:
                pass

    async def advance_until(self, awaitable: Awaitable[object]) -> None:
        """Move the clock ahead until this is done, and past timers that are set in between."""
        waiting = asyncio.ensure_future(awaitable)
        while not waiting.done():
            self.advance(2)
            await asyncio.wait([waiting], timeout=0.03)
        await waiting

    async def token(self) -> Token:
        """Let many callers ask at once, and return the one token that all of them get."""
        [token] = set(await asyncio.gather(*(self.manager.get_token() for _ in range(CALLERS))))
        return token

    async def errors(self, manager: TokenManager) -> list[BitbucketAuthError]:
        """Let many callers ask at once, check that each fails within LONGEST_WAIT, and return their errors."""
        began = time.monotonic()
        found = await asyncio.gather(*(manager.get_token() for _ in range(CALLERS)), return_exceptions=True)
        assert time.monotonic() - began < LONGEST_WAIT
        assert self.fake.token_requests == 0
        return [error for error in found if isinstance(error, BitbucketAuthError)]

    async def record(self) -> Record:
        """Return the record, past the proxy."""
        found = await self.direct.load("alice")
        assert found is not None
        return found.record

    async def assert_intact(self, *, requests: int) -> None:
        """Check that the store holds the manager's token, that nothing was spent twice, and the number of requests."""
        record = await self.record()
        assert record.claim is None
        assert record.token is not None
        assert record.token == self.manager._token
        assert self.fake.is_spendable(record.token.refresh_token or "")
        assert self.fake.token_requests == requests
        assert self.fake.second_spends == []


def store_at(server: RedisServer | PostgresServer, port: int, timeout: float) -> OpenStore:
    """Return the store of this server, reached through *port*."""
    if isinstance(server, RedisServer):
        return RedisStore(f"redis://127.0.0.1:{port}", timeout=timeout)
    return PostgresStore(f"postgresql://postgres@127.0.0.1:{port}/postgres", timeout=timeout)


@asynccontextmanager
async def proxied_sign_in(
    server: RedisServer | PostgresServer, *, short_timeout: float = SHORT_TIMEOUT
) -> AsyncGenerator[ProxiedSignIn]:
    """Sign in through a proxy in front of the server; once it fails, a call to the store takes *short_timeout*."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(tcp_proxy(server.port))
        direct, patient, impatient = [
            await stack.enter_async_context(store_at(server, *where))
            for where in ((server.port, 10.0), (proxy.port, 10.0), (proxy.port, short_timeout))
        ]
        if isinstance(direct, PostgresStore):
            await direct.create_schema()
        proxied = ProxiedSignIn(proxy, SwitchableStore(patient, impatient), direct)
        async with proxied.manager:
            await proxied.manager.adopt(proxied.fake.sign_in())
            with suppress(StoreError):
                await impatient.load("alice")  # opens the connection that fails later
            yield proxied
            proxied.repair()
