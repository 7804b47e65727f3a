"""`python -m tests.simulation --seeds 10000`: as many histories as wanted, on all cores."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from tests.simulation.history import Temper
from tests.simulation.report import never, report
from tests.simulation.trial import Verdict, told, trial

_BATCH = 25
_ENOUGH = 10_000
"""So many seeds must have met everything that can happen."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    seeds: int
    first: int
    processes: int
    temper: Temper | None
    until_broken: bool


def options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED", help="the first of them (0)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many run at a time (all cores)")
    parser.add_argument("--until-broken", action="store_true", help="stop at the first broken promise")
    temper = parser.add_mutually_exclusive_group()
    temper.add_argument("--strict", dest="temper", action="store_const", const="strict", help="strict servers only")
    temper.add_argument("--grace", dest="temper", action="store_const", const="grace", help="servers with a grace only")
    return Options(**vars(parser.parse_args(arguments)))


def verdicts(wanted: Options) -> Iterator[Verdict]:
    """Return what comes of the seeds, batch by batch, in their order."""
    last = wanted.first + wanted.seeds
    batches = [range(seed, min(seed + _BATCH, last)) for seed in range(wanted.first, last, _BATCH)]
    work = partial(trial, temper=wanted.temper)
    if wanted.processes == 1:
        yield from map(work, batches)
        return
    # Spawned, since whoever calls this may have threads, which a fork would leave behind with what they hold.
    with ProcessPoolExecutor(wanted.processes, mp_context=get_context("spawn")) as pool:
        futures: list[Future[Verdict]] = [pool.submit(work, batch) for batch in batches]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show how it goes and what happened how often; return 1 if a promise was broken, or something never happened."""
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
    for seed in sorted(found.broken)[:_SHOWN]:
        print(told(seed, wanted.temper), end="\n\n")
    missing = never(found.counts) if wanted.seeds >= _ENOUGH and wanted.temper is None else []
    lasted = time.monotonic() - began
    print(report(found, lasted=lasted, first=wanted.first, missing=missing))
    return 1 if found.broken or missing else 0


if __name__ == "__main__":
    sys.exit(main())
