"""What do callers get while the token endpoint is down and their token is due for renewal, but valid?"""

from benchmarks.peers.callers import ask_repeatedly, figures_of
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "The token endpoint is down"
WHAT = (
    "20 callers ask 10 times a second each, for 5 seconds. The token endpoint answers 503. One second after the "
    "start, the token is due by the library's own default; how long it is still valid is in the first column. "
    "Each error during that time is one that the program could have been spared."
)
COLUMNS = (
    Column("good_for", "the token is valid for, s", better=None),
    Column("errors_percent", "calls with an error, %", digits=1),
    Column("max", "longest wait, ms", noise=50),
    Column("expired", "expired tokens handed out"),
    Column("requests", "token requests"),
)
ROUNDS = 2
_LEAD = 1.5  # some libraries round the expiry down to a second


def conduct(peer: str, control: int) -> Figures:
    """Measure in a child process."""
    with opened(control, latency=0) as world:
        world.inject("status", code=503)
        return in_child("outage", peer, world)


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Ask while the library's renewal becomes due, and count the errors."""
    adapter = peer(world, None)
    await adapter.start(world.sign_in(left=peer.AHEAD + _LEAD))
    await adapter.get_token()
    figures = figures_of(await ask_repeatedly(adapter, callers=20, every=0.1, seconds=5.0), world)
    requests = world.requests()["requests"]
    await adapter.aclose()
    return {**figures, "requests": requests, "good_for": peer.AHEAD}
