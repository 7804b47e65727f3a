"""A process that measures one library in one scenario; its last line has the figures as JSON."""

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
    """Run the measurement that the command line names."""
    scenario, name, world, options = sys.argv[1:]
    logging.disable()  # log lines about failures that we cause would cost time
    measure: Callable[..., Awaitable[dict[str, float]]] = import_module(
        f"benchmarks.peers.scenarios.{scenario}"
    ).measure
    adapter = peer.load(name, many=scenario == "identities")
    asyncio.run(_print(measure(adapter, World.from_json(world), **json.loads(options))))


async def _print(work: Awaitable[dict[str, float]]) -> None:
    print(json.dumps(await work), flush=True)
    os._exit(0)  # the loop would wait for the threads of a library that retries for minutes


if __name__ == "__main__":
    main()
