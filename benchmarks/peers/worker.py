"""A process that runs one library with one file and takes orders from standard input."""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import peer
from benchmarks.peers.callers import attempt
from benchmarks.peers.world import SignIn, World


async def serve(name: str, world: World, file: Path) -> None:
    """Carry out orders until the input ends."""
    adapter = peer.load(name)(world, file)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await carry_out(adapter, json.loads(line))), flush=True)


async def carry_out(adapter: peer.Peer, order: dict[str, Any]) -> dict[str, Any]:
    """Start with a given or saved sign-in, let a number of callers ask at once, or close."""
    if "start" in order:
        await adapter.start(SignIn(**order["start"]) if order["start"] else None)
        return {}
    if "close" in order:
        await adapter.aclose()
        return {}
    begun = time.perf_counter()
    tokens = await asyncio.gather(*(attempt(adapter) for _ in range(order["ask"])))
    seconds = time.perf_counter() - begun
    given = {token for token in tokens if token is not None}
    refresh_token = await adapter.next_refresh_token() if given else None
    return {"errors": tokens.count(None), "seconds": seconds, "tokens": sorted(given), "refresh_token": refresh_token}


if __name__ == "__main__":
    logging.disable()
    asyncio.run(serve(sys.argv[1], World.from_json(sys.argv[2]), Path(sys.argv[3])))
