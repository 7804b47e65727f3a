"""Callers that ask for tokens, how long they wait, and what they get."""

import asyncio
import math
import time
from typing import NamedTuple

from benchmarks.peers.peer import Peer
from benchmarks.peers.world import World

PATIENCE = 5.0
"""Seconds for which callers may still wait after the end of the scenario."""


class Call(NamedTuple):
    """One call of one caller."""

    wait: float
    """Seconds since the moment at which the call was due."""
    at: float
    """When the answer came, in epoch seconds."""
    token: str | None
    """None: an error, or no answer."""


async def attempt(peer: Peer) -> str | None:
    """Return a token, or None for any error: all errors are alike to the caller."""
    try:
        return await peer.get_token()
    except Exception:  # noqa: BLE001 - each library has its own errors
        return None


async def ask_repeatedly(
    peer: Peer, *, callers: int, every: float, seconds: float, patience: float = PATIENCE
) -> list[Call]:
    """Let *callers* ask, each *every* so many seconds, and return all calls.

    A wait counts from the moment at which the call was due, not from its actual start. Otherwise a blocked loop would
    hide the very calls that had to wait. A call without an answer *patience* seconds after the end counts as waiting
    until then.
    """
    calls: list[Call] = []
    turns = round(seconds / every)
    begun = time.perf_counter() + every
    unanswered = {
        (turn, number): begun + (turn + number / callers) * every for turn in range(turns) for number in range(callers)
    }

    async def caller(number: int) -> None:
        for turn in range(turns):
            await asyncio.sleep(max(0.0, unanswered[turn, number] - time.perf_counter()))
            token = await attempt(peer)
            calls.append(Call(time.perf_counter() - unanswered.pop((turn, number)), time.time(), token))

    tasks = [asyncio.create_task(caller(number)) for number in range(callers)]
    await asyncio.wait(tasks, timeout=every + seconds + patience)
    ended = time.perf_counter()
    for task in tasks:
        task.cancel()
    return calls + [Call(ended - due, time.time(), None) for due in unanswered.values()]


def figures_of(calls: list[Call], world: World) -> dict[str, float]:
    """Return the waits in milliseconds, and how many answers were errors or expired tokens."""
    waits = sorted(each.wait * 1e3 for each in calls)
    expiries = world.expiries()
    expired = sum(each.token is not None and each.at >= expiries[each.token] for each in calls)
    return {
        "p50": waits[len(waits) // 2],
        "p99": waits[math.ceil(len(waits) * 0.99) - 1],
        "max": waits[-1],
        "expired": expired,
        "errors_percent": 100 * sum(each.token is None for each in calls) / len(calls),
    }
