"""What happens when many callers of one process find the token expired?"""

import asyncio
import time

from benchmarks.peers.callers import attempt
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

CALLERS = 200
TITLE = f"{CALLERS} callers at expiry, in one process"
WHAT = (
    "All callers ask at once, with a token that has just expired; the token endpoint takes 50 ms. A *strict* server "
    "follows RFC 9700: a second use of a refresh token ends the sign-in. *Grace* is a server with Bitbucket's grace "
    "period of ten minutes. The sign-in survives if the library's next refresh token still works after that period."
)
COLUMNS = (
    Column("requests", "token requests"),
    Column("ms", "ms until all are served"),
    Column("errors", "callers with an error (strict)"),
    Column("survives_strict", "sign-in survives (strict)", truth=True, better="high"),
    Column("survives", "sign-in survives (grace)", truth=True, better="high"),
)
ROUNDS = 2


def conduct(peer: str, control: int) -> Figures:
    """Measure at a server of each kind."""
    with opened(control) as world:
        lenient = in_child("at_expiry", peer, world)
    with opened(control, strict=True) as world:
        strict = in_child("at_expiry", peer, world)
    return {**lenient, "errors": strict["errors"], "survives_strict": strict["survives"]}


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Let all callers ask at once, and check the sign-in afterwards."""
    adapter = peer(world, None)
    await adapter.start(world.sign_in(left=-2))
    begun = time.perf_counter()
    tokens = await asyncio.gather(*(attempt(adapter) for _ in range(CALLERS)))
    seconds = time.perf_counter() - begun
    requests = world.requests()["requests"]
    survives = tokens.count(None) < CALLERS and world.survives(await adapter.next_refresh_token())
    await adapter.aclose()
    return {"requests": requests, "ms": seconds * 1e3, "errors": tokens.count(None), "survives": survives}
