"""How cost grows: `python -m benchmarks.scale` measures, fits the model of docs/explanation/scale.md, and compares.

Counted exactly: store calls and token requests of fleets in virtual time. Measured: memory by tracemalloc, and CPU
seconds of this process, in one process on a store in memory, so that neither network nor other programs are in them.
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

from benchmarks.world import LIFETIME, CountingServer
from benchmarks.world import SERVER as STRICT_SERVER
from bitbucket_auth_async import Client, Token, TokenManagerPool
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Issuer, Record
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_clock import FakeClock

CLIENT = Client("id", "secret")
SERVER = replace(STRICT_SERVER, reuse_grace=600.0)
"""With Bitbucket's grace, in which somebody has to look."""
ISSUER = Issuer(token_endpoint=SERVER.token_endpoint, client_id="id", grant_type="authorization_code")
SCOPE = frozenset({"account", "repository"})
LOOK_EVERY = 200.0
"""Seconds; a third of the grace."""
TEXT = 2_640
"""Bytes of both tokens' text, as long as Bitbucket's."""
FITTED = (2_000, 20_000)
"""The sizes that the model is fitted to; it predicts the others."""
SIZES = (1_000, 10_000, 100_000)
ROUNDS = {1_000: 9, 2_000: 9, 10_000: 7, 20_000: 5, 100_000: 3}


class CountedStore:
    """Counts the calls, and makes a record for whoever is asked for the first time."""

    def __init__(self, clock: FakeClock) -> None:
        self.calls: Counter[str] = Counter()
        self._began = clock.wall()
        self._inner = MemoryStore()

    async def load(self, key: str, /) -> Versioned | None:
        """Load."""
        self.calls["load"] += 1
        found = await self._inner.load(key)
        if found is None:
            await self._inner.swap(key, self._made(key), expected=0)
            found = await self._inner.load(key)
        return found

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Swap."""
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
    """What so many identities cost."""

    identities: int
    bytes_each: float
    """Beside the text of the tokens."""
    look_us: float
    """CPU microseconds for a look at the store."""
    renewal_us: float
    """CPU microseconds for a renewal."""


async def _grown(identities: int) -> tuple[float, float]:
    """Return the CPU seconds of a look at the store for each identity, and of a renewal of each."""
    clock = FakeClock()
    store, server = _Elsewhere(clock), CountingServer()
    pool = TokenManagerPool(
        CLIENT, server=SERVER, store=store, transport=server, clock=clock, max_identities=identities
    )
    keys = [f"{number:07}" for number in range(identities)]
    async with pool:
        for key in keys:
            await pool.manager(key).get_token()
        clock.suspend(LOOK_EVERY + 1)  # nobody looks meanwhile
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


async def _weight(identities: int) -> float:
    """Return the bytes of one identity."""
    clock = FakeClock()
    pool = TokenManagerPool(
        CLIENT,
        server=SERVER,
        store=_Elsewhere(clock),
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
        await clock.advance(60)  # what timed the loads is over
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return (after - before) / identities - TEXT


class _Elsewhere(CountedStore):
    """Keeps nothing, as a database elsewhere keeps nothing here."""

    async def load(self, key: str, /) -> Versioned | None:
        """Make a record anew."""
        return Versioned(self._made(key), 2**62 + int(key))

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:  # noqa: ARG002 - the port's words
        """Take whatever comes."""
        return expected + 1


def measured(identities: int) -> Size:
    """Measure one size, as often as it takes, and take the median."""
    runs = [asyncio.run(_grown(identities)) for _ in range(ROUNDS[identities])]
    looks, renewals = zip(*runs, strict=True)
    scale = 1e6 / identities
    return Size(
        identities,
        asyncio.run(_weight(identities)),
        statistics.median(looks) * scale,
        statistics.median(renewals) * scale,
    )


async def counted(processes: int, *, hours: int, every: float) -> Counter[str]:
    """Return the store calls and token requests of one identity, asked for in each process every so many seconds."""
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


def predicted(name: str, identities: int, sizes: Sequence[Size]) -> float:
    """Return what the model says: more for each tenfold, by the two fitted sizes, up to where no cache helps."""
    small, large = (next(size for size in sizes if size.identities == fitted) for fitted in FITTED)
    slope = (getattr(large, name) - getattr(small, name)) / math.log10(large.identities / small.identities)
    value: float = getattr(small, name) + slope * math.log10(min(identities, large.identities) / small.identities)
    return value


def report(sizes: Sequence[Size], counts: dict[int, Counter[str]], hours: int) -> str:
    """Return tables as the page has them."""
    lines = [
        "| identities | bytes each | CPU for a look | CPU for a renewal | against the model |",
        "| --- | --- | --- | --- | --- |",
    ]
    for size in sizes:
        off = [f"{getattr(size, name) / predicted(name, size.identities, sizes) - 1:+.0%}" for name in NAMES]
        measures = f"{size.bytes_each:.0f} | {size.look_us:.0f} us | {size.renewal_us:.0f} us"
        role = "fitted" if size.identities in FITTED else ", ".join(off)
        lines.append(f"| {size.identities:,} | {measures} | {role} |")
    lines += ["", "| processes | token requests | swaps | lost swaps | loads |", "| --- | --- | --- | --- | --- |"]
    for processes, count in counts.items():
        each = [f"{count[name] / hours:.2f}" for name in ("token request", "swap", "lost swap", "load")]
        lines.append(f"| {processes} | {' | '.join(each)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    hours = 24
    sizes = [measured(identities) for identities in sorted({*SIZES, *FITTED})]
    counts = {processes: asyncio.run(counted(processes, hours=hours, every=60)) for processes in (1, 2, 4, 16)}
    print(report(sizes, counts, hours))
    if options.json:
        figures = {"sizes": [vars(size) for size in sizes], "counts": counts, "hours": hours}
        with open(options.json, "w", encoding="utf-8") as file:  # noqa: PTH123 - a script
            json.dump(figures, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
