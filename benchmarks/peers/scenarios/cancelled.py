"""What becomes of a sign-in whose renewal is under way when the caller gives up?"""

import asyncio
import time

from benchmarks.peers.crowd import attempt
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "A caller cancelled in the middle of a renewal"
WHAT = (
    "The token has expired; the token endpoint spends the refresh token at once and answers a second later. The one "
    "caller is cancelled 300 ms after it was spent, as `asyncio.timeout` and every web framework do to callers; a loop "
    "that is blocked can't even do that before the answer is there. Two seconds later another one asks."
)
COLUMNS = (
    Column("let_go", "the caller got away after, ms", noise=50),
    Column("served_strict", "the next one is served (strict)", truth=True, better="high"),
    Column("served", "the next one is served (grace)", truth=True, better="high"),
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
    """Give up, and ask again."""
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
