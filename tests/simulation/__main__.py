"""`python -m tests.simulation --seeds 10000` runs that many histories on all cores and prints a report."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from tests.simulation.history import ServerKind
from tests.simulation.report import never, report
from tests.simulation.trial import Verdict, run_seeds, shortest_story

_BATCH = 25
_ENOUGH = 10_000
"""From this many seeds on, each thing that can happen must have happened."""
_TOLD = 3
"""How many broken histories are printed as stories."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    seeds: int
    first: int
    processes: int
    kind: ServerKind | None
    until_broken: bool


def options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run (1000)")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED", help="the first seed (0)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="how many run in parallel (all cores)"
    )
    parser.add_argument("--until-broken", action="store_true", help="stop at the first broken promise")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--strict", dest="kind", action="store_const", const="strict", help="only strict servers")
    kind.add_argument(
        "--grace", dest="kind", action="store_const", const="grace", help="only servers with a grace period"
    )
    return Options(**vars(parser.parse_args(arguments)))


def verdicts(wanted: Options) -> Iterator[Verdict]:
    """Yield the results of the seeds, batch by batch, in their order."""
    last = wanted.first + wanted.seeds
    batches = [range(seed, min(seed + _BATCH, last)) for seed in range(wanted.first, last, _BATCH)]
    run = partial(run_seeds, kind=wanted.kind)
    if wanted.processes == 1:
        yield from map(run, batches)
        return
    # Spawned, not forked: the caller may have threads, and a fork would keep their locks.
    with ProcessPoolExecutor(wanted.processes, mp_context=get_context("spawn")) as pool:
        futures: list[Future[Verdict]] = [pool.submit(run, batch) for batch in batches]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print progress and report; return 1 if a promise was broken or an expected thing never happened."""
    wanted = options(arguments)
    began, found = time.monotonic(), Verdict()
    for verdict in verdicts(wanted):
        found.add(verdict)
        if sys.stderr.isatty():
            progress = f"\r{found.seeds} of {wanted.seeds} seeds, {len(found.broken)} broken"
            print(progress, end="", file=sys.stderr, flush=True)
        if found.broken and wanted.until_broken:
            break
    if sys.stderr.isatty():
        print(file=sys.stderr)
    for seed in sorted(found.broken)[:_TOLD]:
        print(shortest_story(seed, wanted.kind), end="\n\n")
    missing = never(found.counts) if wanted.seeds >= _ENOUGH and wanted.kind is None else []
    lasted = time.monotonic() - began
    print(report(found, lasted=lasted, first=wanted.first, missing=missing))
    return 1 if found.broken or missing else 0


if __name__ == "__main__":
    sys.exit(main())
