"""Callers: what they ask, how long they wait, and what they are given."""

import asyncio
import math
import time
from typing import NamedTuple

from benchmarks.peers.peer import Peer
from benchmarks.peers.world import World

PATIENCE = 5.0
"""Seconds that callers are given after the end of the scenario."""


class Asked(NamedTuple):
    """One caller's one question."""

    wait: float
    """Seconds from the moment at which it was due."""
    at: float
    """When the answer came, in epoch seconds."""
    token: str | None
    """None: it was an error, or there was no answer."""


async def attempt(peer: Peer) -> str | None:
    """Return a token, or None for any error: to the caller all are alike."""
    try:
        return await peer.get_token()
    except Exception:  # noqa: BLE001 - whatever a library raises
        return None


async def crowd(peer: Peer, *, callers: int, every: float, seconds: float, patience: float = PATIENCE) -> list[Asked]:
    """Let *callers* ask, each *every* so many seconds, and return all that came of it.

    A wait is counted from the moment at which the question was due, not from when it could be put: else a caller who
    is held up, or a loop that is blocked, would leave out the very questions that had to wait. What has no answer
    *patience* seconds after the end counts with the wait that it has had by then.
    """
    asked: list[Asked] = []
    turns = round(seconds / every)
    begun = time.perf_counter() + every
    unanswered = {
        (turn, number): begun + (turn + number / callers) * every for turn in range(turns) for number in range(callers)
    }

    async def caller(number: int) -> None:
        for turn in range(turns):
            await asyncio.sleep(max(0.0, unanswered[turn, number] - time.perf_counter()))
            token = await attempt(peer)
            asked.append(Asked(time.perf_counter() - unanswered.pop((turn, number)), time.time(), token))

    tasks = [asyncio.create_task(caller(number)) for number in range(callers)]
    await asyncio.wait(tasks, timeout=every + seconds + patience)
    ended = time.perf_counter()
    for task in tasks:
        task.cancel()
    return asked + [Asked(ended - due, time.time(), None) for due in unanswered.values()]


def told(asked: list[Asked], world: World) -> dict[str, float]:
    """Return the figures: waits in milliseconds, and how many of the answers were errors or expired tokens."""
    waits = sorted(each.wait * 1e3 for each in asked)
    expiries = world.expiries()
    expired = sum(each.token is not None and each.at >= expiries[each.token] for each in asked)
    return {
        "p50": waits[len(waits) // 2],
        "p99": waits[math.ceil(len(waits) * 0.99) - 1],
        "max": waits[-1],
        "expired": expired,
        "errors_percent": 100 * sum(each.token is None for each in asked) / len(asked),
    }
