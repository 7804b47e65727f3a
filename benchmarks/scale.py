"""How cost grows: `python -m benchmarks.scale` measures, fits the model in docs/explanation/scale.md, and compares.

Store calls and token requests are counted, in virtual time. Memory is measured by tracemalloc; CPU seconds are measured
in one process with a store in memory, so they include neither network nor other programs.
"""

import argparse
import asyncio
import gc
import json
import math
import statistics
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.counting_server import LIFETIME, CountingServer
from benchmarks.counting_server import SERVER as STRICT_SERVER
from bitbucket_auth_async import Client, Token, TokenManagerPool
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Issuer, Record
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_clock import FakeClock

CLIENT = Client("id", "secret")
SERVER = replace(STRICT_SERVER, reuse_grace=600.0)
"""With Bitbucket's grace period, in which managers read the store regularly."""
ISSUER = Issuer(token_endpoint=SERVER.token_endpoint, client_id="id", grant_type="authorization_code")
SCOPE = frozenset({"account", "repository"})
LOOK_EVERY = 200.0
"""Seconds; a third of the grace period."""
TEXT = 2_640
"""Bytes of the text of both tokens; Bitbucket's are as long."""
FITTED = (2_000, 20_000)
"""The model is fitted to these sizes and predicts the others."""
SIZES = (1_000, 10_000, 100_000)
ROUNDS = {1_000: 9, 2_000: 9, 10_000: 7, 20_000: 5, 100_000: 3}


class CountedStore:
    """Counts the calls, and creates a record for each new key."""

    def __init__(self, clock: FakeClock) -> None:
        self.calls: Counter[str] = Counter()
        self._began = clock.wall()
        self._inner = MemoryStore()

    async def load(self, key: str, /) -> Versioned | None:
        """Load, and create a missing record."""
        self.calls["load"] += 1
        found = await self._inner.load(key)
        if found is None:
            await self._inner.swap(key, self._made(key), expected=0)
            found = await self._inner.load(key)
        return found

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Swap, and count it."""
        version = await self._inner.swap(key, record, expected=expected)
        self.calls["swap" if version else "lost swap"] += 1
        return version

    def _made(self, key: str) -> Record:
        number, now = int(key), self._began
        token = Token(
            access_token=f"{number:010}" * 260,
            refresh_token=f"{number:010}" * 4,
            issued_at=now,
            expires_at=now + LIFETIME,
            scope=SCOPE,
        )
        return Record(issuer=ISSUER, generation=int(now * 1e6), token=token)


@dataclass(frozen=True)
class Size:
    """The cost of a number of identities."""

    identities: int
    bytes_each: float
    """Without the text of the tokens."""
    look_us: float
    """CPU microseconds to read the store once."""
    renewal_us: float
    """CPU microseconds for a renewal."""


async def _cpu_seconds(identities: int) -> tuple[float, float]:
    """Return the CPU seconds to read the store once for each identity, and to renew each."""
    clock = FakeClock()
    store, server = _StatelessStore(clock), CountingServer()
    pool = TokenManagerPool(
        CLIENT, server=SERVER, store=store, transport=server, clock=clock, max_identities=identities
    )
    keys = [f"{number:07}" for number in range(identities)]
    async with pool:
        for key in keys:
            await pool.manager(key).get_token()
        clock.suspend(LOOK_EVERY + 1)  # no manager reads the store in this time
        begun = time.process_time()
        for key in keys:
            manager = pool.manager(key)
            await manager.get_token()
            await manager.idle()
        looked = time.process_time()
        assert server.requests == 0
        clock.suspend(LIFETIME)
        asked = time.process_time()
        for key in keys:
            await pool.manager(key).get_token()
        renewed = time.process_time()
        assert server.requests == identities
    return looked - begun, renewed - asked


async def _bytes_each(identities: int) -> float:
    """Return the bytes that one identity takes."""
    clock = FakeClock()
    pool = TokenManagerPool(
        CLIENT,
        server=SERVER,
        store=_StatelessStore(clock),
        transport=CountingServer(),
        clock=clock,
        max_identities=identities,
    )
    async with pool:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(identities):
            await pool.manager(f"{number:07}").get_token()
        await clock.advance(60)  # the timers of the loads have ended
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return (after - before) / identities - TEXT


class _StatelessStore(CountedStore):
    """Keeps nothing in memory, like a database on another host."""

    async def load(self, key: str, /) -> Versioned | None:
        """Return a newly created record."""
        return Versioned(self._made(key), 2**62 + int(key))

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:  # noqa: ARG002 - the names of the protocol
        """Accept each swap."""
        return expected + 1


def measure(identities: int) -> Size:
    """Measure one size in several rounds, and return the medians."""
    runs = [asyncio.run(_cpu_seconds(identities)) for _ in range(ROUNDS[identities])]
    looks, renewals = zip(*runs, strict=True)
    scale = 1e6 / identities
    return Size(
        identities,
        asyncio.run(_bytes_each(identities)),
        statistics.median(looks) * scale,
        statistics.median(renewals) * scale,
    )


async def count_calls(processes: int, *, hours: int, every: float) -> Counter[str]:
    """Return the store calls and token requests of one identity that each process asks for every *every* seconds."""
    clock = FakeClock()
    store, server = CountedStore(clock), CountingServer()
    pools = [
        TokenManagerPool(CLIENT, server=SERVER, store=store, transport=server, clock=clock) for _ in range(processes)
    ]
    for pool in pools:
        await pool.manager("1").get_token()
    store.calls.clear()
    for moment in range(int(hours * 3600 / every)):
        await clock.advance(every / processes if moment == 0 else every)
        for pool in pools:
            await pool.manager("1").get_token()
            await clock.settle()
    for pool in pools:
        await pool.aclose()
    return Counter({**store.calls, "token request": server.requests})


NAMES = ("bytes_each", "look_us", "renewal_us")


def predict(name: str, identities: int, sizes: Sequence[Size]) -> float:
    """Return the model's figure: linear in the logarithm of the size, constant above the larger fitted size."""
    small, large = (next(size for size in sizes if size.identities == fitted) for fitted in FITTED)
    slope = (getattr(large, name) - getattr(small, name)) / math.log10(large.identities / small.identities)
    value: float = getattr(small, name) + slope * math.log10(min(identities, large.identities) / small.identities)
    return value


def report(sizes: Sequence[Size], counts: dict[int, Counter[str]], hours: int) -> str:
    """Return the tables of the page."""
    lines = [
        "| identities | bytes each | CPU for a read of the store | CPU for a renewal | against the model |",
        "| --- | --- | --- | --- | --- |",
    ]
    for size in sizes:
        off = [f"{getattr(size, name) / predict(name, size.identities, sizes) - 1:+.0%}" for name in NAMES]
        measures = f"{size.bytes_each:.0f} | {size.look_us:.0f} us | {size.renewal_us:.0f} us"
        role = "fitted" if size.identities in FITTED else ", ".join(off)
        lines.append(f"| {size.identities:,} | {measures} | {role} |")
    lines += ["", "| processes | token requests | swaps | lost swaps | loads |", "| --- | --- | --- | --- | --- |"]
    for processes, count in counts.items():
        each = [f"{count[name] / hours:.2f}" for name in ("token request", "swap", "lost swap", "load")]
        lines.append(f"| {processes} | {' | '.join(each)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    hours = 24
    sizes = [measure(identities) for identities in sorted({*SIZES, *FITTED})]
    counts = {processes: asyncio.run(count_calls(processes, hours=hours, every=60)) for processes in (1, 2, 4, 16)}
    print(report(sizes, counts, hours))
    if options.json:
        figures = {"sizes": [vars(size) for size in sizes], "counts": counts, "hours": hours}
        with open(options.json, "w", encoding="utf-8") as file:  # noqa: PTH123 - a script
            json.dump(figures, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
