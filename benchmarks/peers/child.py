"""A process that measures one library in one scenario; its last line is the figures, as JSON."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module

from benchmarks.peers import peer
from benchmarks.peers.world import World


def main() -> None:
    """Measure what the command line names."""
    scenario, name, world, options = sys.argv[1:]
    logging.disable()  # no library is charged for what it would write about a failure that we made
    measure: Callable[..., Awaitable[dict[str, float]]] = import_module(
        f"benchmarks.peers.scenarios.{scenario}"
    ).measure
    adapter = peer.load(name, many=scenario == "identities")
    asyncio.run(_tell(measure(adapter, World.from_json(world), **json.loads(options))))


async def _tell(work: Awaitable[dict[str, float]]) -> None:
    print(json.dumps(await work), flush=True)
    os._exit(0)  # the loop would wait for threads of a library that goes on retrying for minutes


if __name__ == "__main__":
    main()
