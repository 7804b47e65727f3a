"""What do callers get while the token endpoint is down and their token is due, but good?"""

from benchmarks.peers.crowd import crowd, told
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "The token endpoint is down"
WHAT = (
    "20 callers ask 10 times a second each, for 5 seconds. The token endpoint answers 503. A second after the "
    "start, the library's own default says that the token is due, so that it is still good for as long as that is "
    "ahead of its expiry. Every error is one that the program need not have seen, if the token was good."
)
COLUMNS = (
    Column("good_for", "the token is good for, s", better=None),
    Column("errors_percent", "calls with an error, %", digits=1),
    Column("max", "longest wait, ms", noise=50),
    Column("expired", "expired tokens handed out"),
    Column("requests", "token requests"),
)
ROUNDS = 2
_LEAD = 1.5  # some libraries round the time of expiry down to a second


def conduct(peer: str, control: int) -> Figures:
    """Measure in a child."""
    with opened(control, latency=0) as world:
        world.inject("status", code=503)
        return in_child("outage", peer, world)


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Cross the moment from which the library would renew, and see what everybody gets."""
    adapter = peer(world, None)
    await adapter.start(world.sign_in(left=peer.AHEAD + _LEAD))
    await adapter.get_token()
    figures = told(await crowd(adapter, callers=20, every=0.1, seconds=5.0), world)
    requests = world.requests()["requests"]
    await adapter.aclose()
    return {**figures, "requests": requests, "good_for": peer.AHEAD}
