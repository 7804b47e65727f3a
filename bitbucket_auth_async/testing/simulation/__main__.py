"""`python -m bitbucket_auth_async.testing.simulation --seeds 10000`: as many histories as wanted, on all cores."""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from bitbucket_auth_async.testing.simulation.trial import trial

_BATCH = 50


def main() -> int:
    """Print how it goes and what happened how often; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bitbucket_auth_async.testing.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    options = parser.parse_args()
    began, done, broken = time.monotonic(), 0, list[str]()
    counts: Counter[str] = Counter()
    last = options.first + options.seeds
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        batches = [
            pool.submit(trial, range(seed, min(seed + _BATCH, last))) for seed in range(options.first, last, _BATCH)
        ]
        for batch in as_completed(batches):
            verdict = batch.result()
            done += verdict.seeds
            counts += verdict.counts
            broken += verdict.broken
            print(f"\r{done} of {options.seeds} seeds, {len(broken)} broken", end="", file=sys.stderr, flush=True)  # noqa: T201 - what it is for
    print(file=sys.stderr)  # noqa: T201 - what it is for
    for name, count in sorted(counts.items()):
        print(f"{count:>10,}  {name}")  # noqa: T201 - what it is for
    for story in broken:
        print("", story, sep="\n")  # noqa: T201 - what it is for
    print(f"{done} seeds in {time.monotonic() - began:.0f} s, {len(broken)} broken.")  # noqa: T201 - what it is for
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
