"""Does a sign-in survive if the answer to its renewal is lost?"""

import asyncio
import time

from benchmarks.peers.callers import attempt
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "A lost response"
WHAT = (
    "The token has expired; the server spends the refresh token, and the connection breaks before the answer. Five "
    "callers ask at once; a caller that gets an error asks again every half second, for at most 8 seconds."
)
COLUMNS = (
    Column("errors", "errors of callers (grace)"),
    Column("seconds", "s until all are served (grace)", digits=1),
    Column("served", "served (grace)", truth=True, better="high"),
    Column("served_strict", "served (strict)", truth=True, better="high"),
)
ROUNDS = 2
_CALLERS = 5
_EVERY = 0.5
_ATTEMPTS = 16


def conduct(peer: str, control: int) -> Figures:
    """Measure at a server of each kind."""
    with opened(control, latency=0) as world:
        world.inject("reset", times=1, processed=True)
        lenient = in_child("lost", peer, world)
    with opened(control, latency=0, strict=True) as world:
        world.inject("reset", times=1, processed=True)
        strict = in_child("lost", peer, world)
    return {**lenient, "served_strict": strict["served"]}


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Ask until there is a token."""
    adapter = peer(world, None)
    await adapter.start(world.sign_in(left=-2))
    begun = time.perf_counter()

    async def caller() -> int:
        for errors in range(_ATTEMPTS):
            if await attempt(adapter) is not None:
                return errors
            await asyncio.sleep(_EVERY)
        return _ATTEMPTS

    errors = await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    seconds = time.perf_counter() - begun
    await adapter.aclose()
    return {"errors": sum(errors), "seconds": seconds, "served": max(errors) < _ATTEMPTS}
