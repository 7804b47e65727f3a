"""A store at the end of a line that is slow, cut in mid-answer, refused or a black hole: what it costs, and what not.

The servers are real, and so is the TCP proxy before them; time is put ahead, and nothing waits for it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest

from bitbucket_auth_async.errors import DeadlineError, StoreError
from bitbucket_auth_async.manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.opening import OpenStore
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.record import Record
from bitbucket_auth_async.renewal import Timing
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from tests.ahead import HurriedClock
from tests.proxies import Line, line_to
from tests.servers import DURABLE, postgres_server, redis_server

CALLERS = 25
BOUND = 2.0
"""Seconds in which any caller must have an answer here, where a store call may take 0.4 s."""


def become_a_black_hole(line: Line) -> None:
    line.silent = True


def refuse(line: Line) -> None:
    line.refuses = True
    line.cut()


def cut_every_answer(line: Line) -> None:
    line.answers_to_halve = 1_000_000


dead_lines = pytest.mark.parametrize("die", [become_a_black_hole, refuse, cut_every_answer])


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


@pytest.fixture(scope="module", params=["valkey", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[int, Stores]]:
    with server_of(request.param) as server:
        yield server


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


@pytest.fixture
async def far(server: tuple[int, Stores]) -> AsyncGenerator[Far]:
    async with far_from(server, 0.4) as far:
        yield far


async def test_r7_a_slow_line_costs_time_and_nothing_else(far: Far) -> None:
    far.later(3600)
    far.line.delay = 0.03
    began = time.monotonic()
    await far.token()
    assert time.monotonic() - began > 4 * 0.03  # claim and outcome, there and back
    await far.assert_whole(requests=1)


async def test_r1_an_answer_cut_in_the_middle_makes_nobody_spend_twice(far: Far) -> None:
    far.later(3600)
    with far.fake.inject(faults.hold()) as held:
        far.line.answers_to_halve = 1
        callers = asyncio.create_task(far.token())
        await held.reached.wait()
        assert far.line.answers_to_halve == 0  # that was the claim's
        far.line.answers_to_halve = 1
    await callers
    assert far.line.answers_to_halve == 0  # and that the outcome's
    await far.assert_whole(requests=1)
    assert (await far.record()).spares == ()


@dead_lines
async def test_r2_nothing_is_spent_while_no_claim_can_be_written_and_afterwards_it_goes_on_by_itself(
    far: Far, die: Callable[[Line], object]
) -> None:
    far.later(3600)
    die(far.line)
    for error in await far.all_ask():
        assert isinstance(error, StoreError)
        assert error.retryable
    assert far.fake.token_requests == 0
    far.line.mend()
    far.later(2)  # past the second or so for which a failure is shared
    await far.token()
    await far.assert_whole(requests=1)


@dead_lines
async def test_r2_a_token_whose_save_fails_is_handed_out_kept_and_saved_once_the_store_is_back(
    far: Far, die: Callable[[Line], object]
) -> None:
    far.later(3600)
    with far.fake.inject(faults.hold()) as held:
        callers = asyncio.create_task(far.token())
        await held.reached.wait()  # the claim is in
        die(far.line)
    token = await callers
    await far.hears(EventKind.SAVE_FAILED)
    assert await far.token() is token
    far.later(2)
    await far.hears(EventKind.STORE_FAILED)  # saving is tried again, and again
    far.line.mend()
    far.later(4)
    await far.hears(EventKind.SAVED_LATE)
    await far.assert_whole(requests=1)
    async with far.another(far.past) as other:
        assert await other.get_token() == token


@dead_lines
async def test_r6_while_the_line_is_dead_a_good_token_is_handed_out_at_once(
    far: Far, die: Callable[[Line], object]
) -> None:
    before = await far.token()
    far.later(3600 - 200)  # due for renewal, and still good
    die(far.line)
    for _ in range(2):
        async with asyncio.timeout(0.1):
            assert await far.manager.get_token() is before
        await far.hears(EventKind.STORE_FAILED)
        await far.manager.idle()
        far.later(10)
    assert far.fake.token_requests == 0
    far.line.mend()
    assert await far.manager.get_token() is before
    await far.hears(EventKind.RENEWED)
    assert await far.token() is not before
    await far.assert_whole(requests=1)


async def test_r3_who_is_cut_off_from_the_store_for_longer_than_its_lease_brings_a_spare(far: Far) -> None:
    far.fake.rules.reuse_grace, far.fake.rules.reuse_revokes = 600.0, False
    watched = Watched(far.past)
    async with far.another(watched) as other:
        await other.get_token()
        far.later(3600)
        with far.fake.inject(faults.hold()) as held:
            callers = asyncio.create_task(far.token())
            await held.reached.wait()  # the claim is in
            become_a_black_hole(far.line)
        late = await callers
        waiting = asyncio.create_task(other.get_token())
        await watched.claim_seen.wait()
        far.later(61)
        newer = await waiting
        assert await far.token() == late  # both are good
        far.line.mend()
        far.later(10)
        await far.hears(EventKind.SAVED_LATE)
        record = await far.record()
        assert (record.token, record.spares) == (newer, (late,))
        assert far.fake.token_requests == 2
        far.fake.kill_refresh_token(newer.refresh_token or "")
        far.later(3600)
        assert (await other.get_token()).refresh_token not in {late.refresh_token, newer.refresh_token}
        assert (await far.record()).spares == ()


async def test_r7_no_caller_waits_beyond_its_deadline_whatever_the_line_does(server: tuple[int, Stores]) -> None:
    async with far_from(server, 1.0) as far:
        async with far.another(far.through, deadline=0.2) as hasty:
            far.later(3600)
            far.line.silent = True
            began = time.monotonic()
            found = await asyncio.gather(*(hasty.get_token() for _ in range(CALLERS)), return_exceptions=True)
            assert time.monotonic() - began < 0.9  # a call to the store may take 1 s
            for error in found:
                assert isinstance(error, DeadlineError)
                assert error.retryable
            assert far.fake.token_requests == 0
            far.line.mend()
            await hasty.idle()  # the renewal went on without them, and has failed or found its way by now
            far.later(2)
            token = await hasty.get_token()
        assert await far.token() == token
        await far.assert_whole(requests=1)
