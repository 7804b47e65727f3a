"""Measures this library beside its peers: `python -m benchmarks.peers`, or `make compare`."""

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
from benchmarks.peers.preflight import prove
from benchmarks.peers.results import Outcome, Results, machine, versions
from benchmarks.peers.world import fakes, opened


def main() -> None:
    """Measure everything and write the docs' figures; parts are only printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", help=f"print these scenarios and write nothing: {','.join(scenario.NAMES)}")
    parser.add_argument("--peers", help=f"print these libraries and write nothing: {','.join(peer.NAMES)}")
    parser.add_argument("--draw", action="store_true", help="measure nothing: make tables and plots anew")
    options = parser.parse_args()
    if options.draw:
        write(Results.read())
        return
    names = options.only.split(",") if options.only else list(scenario.NAMES)
    peers = options.peers.split(",") if options.peers else list(peer.NAMES)
    results = measured(names, peers)
    if options.only or options.peers:
        for name in names:
            print("\n".join(table.section(results, name)))
        return
    results.save()
    write(results)


def write(results: Results) -> None:
    """Write tables and plots."""
    table.FILE.write_text(table.rendered(results), encoding="utf-8")
    plots.draw(results)


def measured(names: list[str], peers: list[str]) -> Results:
    """Put each scenario to each library, round by round, and in each round with another one first."""
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
                asyncio.run(prove(adapters[name], world, Path(folder) / f"{name}.json"))
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
    """Yield everybody once a round; whoever went first goes last in the next one."""
    for number in range(rounds):
        begin = number % len(peers)
        yield from peers[begin:] + peers[:begin]


if __name__ == "__main__":
    main()
