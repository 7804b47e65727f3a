"""Who waits when a renewal is due and the token endpoint is slow?"""

from benchmarks.peers.crowd import crowd, told
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "Renewal with a slow token endpoint"
WHAT = (
    "50 callers ask 20 times a second each, for 5 seconds. A second after the start, the library's own default "
    "says that the token is due; the token endpoint takes 2 seconds. Waits are counted from the moment at which each "
    "question was due."
)
COLUMNS = (
    Column("ahead", "begins before expiry, s", better=None),
    Column("p50", "p50, ms", digits=1, noise=10),
    Column("p99", "p99, ms", digits=1, noise=10),
    Column("max", "longest wait, ms", noise=50),
    Column("expired", "expired tokens handed out"),
    Column("requests", "token requests"),
)
ROUNDS = 2
_LEAD = 1.5  # some libraries round the time of expiry down to a second


def conduct(peer: str, control: int) -> Figures:
    """Measure in a child."""
    with opened(control, latency=2.0) as world:
        return in_child("ahead", peer, world)


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Cross the moment from which the library renews, and time everybody."""
    adapter = peer(world, None)
    await adapter.start(world.sign_in(left=peer.AHEAD + _LEAD))
    await adapter.get_token()
    figures = told(await crowd(adapter, callers=50, every=0.05, seconds=5.0), world)
    await adapter.aclose()
    return {**figures, "requests": world.requests()["requests"], "ahead": peer.AHEAD}
