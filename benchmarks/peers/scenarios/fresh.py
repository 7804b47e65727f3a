"""What does a call cost while the token is valid?"""

import time
from collections.abc import Awaitable, Callable
from statistics import median

from benchmarks.peers.adapters.bare_peer import Adapter as Bare
from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "A valid token"
WHAT = (
    "One coroutine asks again and again for a token that is valid for an hour. The baseline is a coroutine that "
    "returns an attribute, in turns in the same process. The figures are CPU time."
)
COLUMNS = (Column("ns", "ns a call"), Column("ratio", "times a bare coroutine", digits=1))
ROUNDS = 5
_CALLS = 5_000
_SLICES = 20


def conduct(peer: str, control: int) -> Figures:
    """Measure in a child process."""
    with opened(control) as world:
        return in_child("fresh", peer, world)


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Time slices of calls, in turns with the baseline's."""
    sign_in = world.sign_in()
    bare, adapter = Bare(world, None), peer(world, None)
    await bare.start(sign_in)
    await adapter.start(sign_in)
    await adapter.get_token()
    baselines: list[float] = []
    candidates: list[float] = []
    for _ in range(_SLICES):
        baselines.append(await _baseline(bare.get_token))
        candidates.append(await _candidate(adapter.get_token))
    await adapter.aclose()
    pairs = zip(baselines, candidates, strict=True)
    return {"ns": median(candidates) * 1e9 / _CALLS, "ratio": median(one / base for base, one in pairs)}


# Two loops with the same code: the interpreter specialises each for its one function.
async def _baseline(ask: Callable[[], Awaitable[str]]) -> float:
    begun = time.process_time()
    for _ in range(_CALLS):
        await ask()
    return time.process_time() - begun


async def _candidate(ask: Callable[[], Awaitable[str]]) -> float:
    begun = time.process_time()
    for _ in range(_CALLS):
        await ask()
    return time.process_time() - begun
