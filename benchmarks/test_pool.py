"""What do a hundred thousand identities in one pool cost, idle and when many are due at once?"""

import asyncio
import gc
import time
import tracemalloc

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_server import LIFETIME, SERVER, CountingServer, answer
from benchmarks.measuring import report, side_by_side, timed
from bitbucket_auth_async import Client, Token, TokenManager, TokenManagerPool
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Issuer, Record

IDENTITIES = 100_000
DUE = 10_000
MOST_BYTES = 700
CLIENT = Client("id", "secret")
SCOPE = frozenset({"account", "repository"})
ISSUER = Issuer(token_endpoint=SERVER.token_endpoint, client_id="id", grant_type="authorization_code")


class StatelessStore:
    """A store that creates the record of each key and keeps none, so that only the pool's memory is measured."""

    def __init__(self, age: float = 0.0) -> None:
        self.issued_at = time.time() - age

    async def load(self, key: str, /) -> Versioned:
        """Return a newly created record of this key."""
        number = int(key)
        token = Token(
            access_token=f"{number:010}" * 260,
            refresh_token=f"{number:010}" * 4,
            issued_at=self.issued_at + number / 1e6,
            expires_at=self.issued_at + number / 1e6 + LIFETIME,
            scope=SCOPE,
        )
        return Versioned(Record(issuer=ISSUER, generation=1_800_000_000_000 + number, token=token), 2**62 + number)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:  # noqa: ARG002 - the names of the protocol
        """Accept each swap."""
        return expected + 1


TEXT = 10 * 260 + 10 * 4
"""Bytes of the text of both tokens."""


async def load_all(pool: TokenManagerPool, keys: list[str]) -> None:
    """Load the token of each key into memory."""
    for key in keys:
        await pool.manager(key).get_token()


def test_memory_of_an_identity(benchmark: BenchmarkFixture) -> None:
    """The bytes of each loaded identity, without the text of both tokens."""

    async def measure() -> tuple[int, int, int]:
        pool = TokenManagerPool(
            CLIENT, server=SERVER, store=StatelessStore(), transport=CountingServer(), max_identities=IDENTITIES
        )
        async with pool:
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            keys = [f"{number:06}" for number in range(IDENTITIES)]
            named = tracemalloc.get_traced_memory()[0]
            await load_all(pool, keys)
            await asyncio.sleep(0)
            gc.collect()
            loaded = tracemalloc.get_traced_memory()[0]
            tasks = len(asyncio.all_tasks())
            tracemalloc.stop()
        return (loaded - before) // IDENTITIES - TEXT, (named - before) // IDENTITIES, tasks

    each, key, tasks = timed(benchmark, lambda: asyncio.run(measure()), rounds=1)
    assert each <= MOST_BYTES
    assert tasks == 2, "one of the scheduler and this one"
    report(benchmark, f"memory of {IDENTITIES:,} identities", bytes_each=each, of_which_key=key, tasks_in_all=tasks - 1)


def test_round_robin(benchmark: BenchmarkFixture) -> None:
    """`pool.manager(key).get_token()` for each identity, against as many calls of one manager."""
    with asyncio.Runner() as runner:
        pool = TokenManagerPool(
            CLIENT,
            server=SERVER,
            store=StatelessStore(),
            transport=CountingServer(),
            max_identities=IDENTITIES,
        )
        alone = TokenManager(CLIENT, server=SERVER, store=StatelessStore(), transport=CountingServer(), key="1")
        keys = [f"{number:06}" for number in range(IDENTITIES)]
        runner.run(load_all(pool, keys))
        runner.run(alone.get_token())

        async def one() -> None:
            for _ in keys:
                await alone.get_token()

        async def all_of_them() -> None:
            manager = pool.manager
            for key in keys:
                await manager(key).get_token()

        found = side_by_side(
            benchmark, baseline=lambda: runner.run(one()), candidate=lambda: runner.run(all_of_them()), rounds=10
        )
        runner.run(pool.aclose())
        runner.run(alone.aclose())
    report(
        benchmark,
        f"round robin through {IDENTITIES:,} identities",
        ratio_to_one_manager=f"{found.ratio:.2f}",
        per_second=f"{IDENTITIES / found.candidate.middle:,.0f}",
    )


class SlowServer(CountingServer):
    """Answers late, and counts the requests in flight."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.now = self.most = 0
        self.served = asyncio.Event()
        """Set once each due identity has been renewed."""

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ARG002, ASYNC109 - the names of the protocol
        """Answer after a delay."""
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds)
        self.now -= 1
        self.requests += 1
        if self.requests == DUE:
            self.served.set()
        return Response(status=200, headers={"content-type": "application/json"}, body=answer(self.requests))


def test_many_that_are_due_at_once(benchmark: BenchmarkFixture) -> None:
    """All identities become stale at the same moment: how long do the renewals take, with 10 requests in parallel?"""

    async def measure() -> tuple[float, float, int, int]:
        server = SlowServer(0.01)
        store = StatelessStore(age=LIFETIME - 200)
        pool = TokenManagerPool(
            CLIENT, server=SERVER, store=store, transport=server, max_identities=DUE, max_requests=10
        )
        expired = 0
        async with pool:
            keys = [f"{number:06}" for number in range(DUE)]
            begun = time.perf_counter()
            for key in keys:
                token = await pool.manager(key).get_token()
                expired += (token.expires_at or 0) <= time.time()
            asked = time.perf_counter() - begun
            await server.served.wait()
            return asked, time.perf_counter() - begun, server.most, expired

    asked, lasted, most, expired = timed(benchmark, lambda: asyncio.run(measure()), rounds=1)
    assert (most, expired) == (10, 0)
    report(
        benchmark,
        f"{DUE:,} identities due at once, 10 ms a request",
        seconds=f"{lasted:.1f}",
        least_possible=f"{DUE / 10 * 0.01:.1f}",
        callers_answered_after=f"{asked:.1f}",
        most_requests_in_parallel=most,
        expired_tokens_handed_out=expired,
    )
