"""Compares this library with others: `python -m benchmarks.peers`, or `make compare`."""

import argparse
import asyncio
import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers import peer, plots, scenario, table
from benchmarks.peers.preflight import check_adapter
from benchmarks.peers.results import Outcome, Results, machine, versions
from benchmarks.peers.world import fakes, opened


def main() -> None:
    """Measure all and write the figures of the documentation; with --only or --peers, print a part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", help=f"measure and print only these scenarios: {','.join(scenario.NAMES)}")
    parser.add_argument("--peers", help=f"measure and print only these libraries: {','.join(peer.NAMES)}")
    parser.add_argument("--draw", action="store_true", help="only write tables and plots again from the last results")
    options = parser.parse_args()
    if options.draw:
        write(Results.read())
        return
    names = options.only.split(",") if options.only else list(scenario.NAMES)
    peers = options.peers.split(",") if options.peers else list(peer.NAMES)
    results = measure(names, peers)
    if options.only or options.peers:
        for name in names:
            print("\n".join(table.section(results, name)))
        return
    results.save()
    write(results)


def write(results: Results) -> None:
    """Write the tables and plots."""
    table.FILE.write_text(table.render(results), encoding="utf-8")
    plots.draw(results)


def measure(names: list[str], peers: list[str]) -> Results:
    """Run each scenario with each library, in rounds, each of which begins with another library."""
    adapters = {name: peer.load(name) for name in peers}
    results = Results(
        date=datetime.now(UTC).date().isoformat(),
        python=platform.python_version(),
        machine=machine(),
        titles={name: adapter.TITLE for name, adapter in adapters.items()},
        versions={name: versions(adapter.DISTRIBUTIONS) for name, adapter in adapters.items()},
    )
    with fakes() as control, TemporaryDirectory() as folder:
        for name in peers:
            with opened(control, latency=0) as world:
                asyncio.run(check_adapter(adapters[name], world, Path(folder) / f"{name}.json"))
        for name in names:
            outcomes = {each: Outcome(adapters[each].LACKS.get(name)) for each in peers}
            results.scenarios[name] = outcomes
            asked = scenario.load(name)
            for each in _turns([each for each in peers if outcomes[each].lacks is None], asked.ROUNDS):
                begun = time.monotonic()
                outcomes[each].add(asked.conduct(each, control), [column.key for column in asked.COLUMNS])
                print(f"{name:12} {each:24} {time.monotonic() - begun:6.1f} s", file=sys.stderr)
    return results


def _turns(peers: list[str], rounds: int) -> Iterator[str]:
    """Yield each library once a round; the first one of a round is the last one of the next."""
    for number in range(rounds):
        begin = number % len(peers)
        yield from peers[begin:] + peers[:begin]


if __name__ == "__main__":
    main()
