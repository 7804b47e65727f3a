"""Does a sign-in survive if the caller is cancelled during its renewal?"""

import asyncio
import time

from benchmarks.peers.callers import attempt
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "A caller cancelled during a renewal"
WHAT = (
    "The token has expired; the token endpoint spends the refresh token at once and answers a second later. The "
    "caller is cancelled 300 ms after that, as `asyncio.timeout` and web frameworks do; a blocked loop can do it "
    "only after the answer. Two seconds later another caller asks."
)
COLUMNS = (
    Column("let_go", "the caller was released after, ms", noise=50),
    Column("served_strict", "the next caller is served (strict)", truth=True, better="high"),
    Column("served", "the next caller is served (grace)", truth=True, better="high"),
    Column("again", "refresh tokens used twice (grace)"),
)
ROUNDS = 2


def conduct(peer: str, control: int) -> Figures:
    """Measure at a server of each kind."""
    with opened(control, latency=1.0) as world:
        lenient = in_child("cancelled", peer, world)
    with opened(control, latency=1.0, strict=True) as world:
        strict = in_child("cancelled", peer, world)
    return {**lenient, "served_strict": strict["served"]}


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Cancel one caller, and let another one ask."""
    adapter = peer(world, None)
    await adapter.start(world.sign_in(left=-2))
    caller = asyncio.create_task(attempt(adapter))

    def spent() -> float:
        world.until_spent()
        return time.perf_counter()

    spent_at = await asyncio.to_thread(spent)
    await asyncio.sleep(max(0.0, spent_at + 0.3 - time.perf_counter()))
    caller.cancel()
    await asyncio.wait({caller})
    let_go = time.perf_counter() - spent_at
    await asyncio.sleep(2.0)
    served = await attempt(adapter) is not None
    again = world.requests()["again"]
    await adapter.aclose()
    return {"let_go": let_go * 1e3, "served": served, "again": again}
