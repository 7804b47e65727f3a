"""How long do callers wait when a renewal is due and the token endpoint is slow?"""

from benchmarks.peers.callers import ask_repeatedly, figures_of
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "Renewal with a slow token endpoint"
WHAT = (
    "50 callers ask 20 times a second each, for 5 seconds. One second after the start, the token is due by the "
    "library's own default; the token endpoint takes 2 seconds. A wait counts from the moment at which its call was "
    "due."
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
_LEAD = 1.5  # some libraries round the expiry down to a second


def conduct(peer: str, control: int) -> Figures:
    """Measure in a child process."""
    with opened(control, latency=2.0) as world:
        return in_child("ahead", peer, world)


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Time all callers while the library's renewal becomes due."""
    adapter = peer(world, None)
    await adapter.start(world.sign_in(left=peer.AHEAD + _LEAD))
    await adapter.get_token()
    figures = figures_of(await ask_repeatedly(adapter, callers=50, every=0.05, seconds=5.0), world)
    await adapter.aclose()
    return {**figures, "requests": world.requests()["requests"], "ahead": peer.AHEAD}
