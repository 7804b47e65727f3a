"""What does it cost to hold the tokens of many persons?"""

import asyncio
import gc
import os
import time
from pathlib import Path

from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import SignIn, World, opened

TITLE = "Many persons"
WHAT = (
    "Each person has a valid token of 64 characters and a refresh token of the same length. Memory is the growth of "
    "the process: the texts of the tokens, the adapter and, for this library, a record in its store in memory. The "
    "second round asks for each person's token once. Times are CPU time; a library that takes long gets fewer "
    "identities, as the first column shows."
)
COLUMNS = (
    Column("identities", "identities", better=None),
    Column("bytes", "bytes each"),
    Column("made", "µs to make and sign in each"),
    Column("asked", "µs to ask each", digits=1),
)
ROUNDS = 1
_MOST = 100_000
_SECONDS = 20.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


def conduct(peer: str, control: int) -> Figures:
    """Measure in a child process."""
    with opened(control) as world:
        return in_child("identities", peer, world)


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Create as many identities as the time allows, and ask for each token."""
    now = time.time()
    gc.collect()
    before, begun = _resident(), time.process_time()
    adapters: list[Peer] = []
    while len(adapters) < _MOST and time.process_time() - begun < _SECONDS:
        adapter, number = peer(world, None), len(adapters)
        await adapter.start(
            SignIn(access_token=f"{number:064}", refresh_token=f"{-number:064}", issued_at=now, expires_at=now + 3600)
        )
        adapters.append(adapter)
    made = time.process_time() - begun
    gc.collect()
    grown = _resident() - before
    begun = time.process_time()
    for number, adapter in enumerate(adapters):
        assert await adapter.get_token() == f"{number:064}"
    asked = time.process_time() - begun
    await asyncio.sleep(0)
    many = len(adapters)
    return {"identities": many, "bytes": grown / many, "made": made * 1e6 / many, "asked": asked * 1e6 / many}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
