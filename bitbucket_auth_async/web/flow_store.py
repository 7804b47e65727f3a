"""FlowStore: server-side storage for sign-ins in progress, used when the browser should not hold them."""

import time
from collections.abc import Callable
from typing import Protocol


class FlowStore(Protocol):
    """Stores encrypted sign-ins for some minutes; a cache such as Redis is enough."""

    async def save(self, ticket: str, flow: str, *, lifetime: float) -> None:
        """Keep *flow* for *lifetime* seconds."""
        ...

    async def take(self, ticket: str) -> str | None:
        """Return the flow and delete it in one atomic step, so that it is returned only once."""
        ...


class MemoryFlowStore:
    """A FlowStore in this process; it holds at most *limit* sign-ins and drops the oldest first."""

    __slots__ = ("_boot", "_flows", "_limit")

    def __init__(self, limit: int = 10_000, *, boot: Callable[[], float] = time.monotonic) -> None:
        """Start empty."""
        self._flows: dict[str, tuple[str, float]] = {}
        self._limit = limit
        self._boot = boot

    async def save(self, ticket: str, flow: str, *, lifetime: float) -> None:
        """Keep *flow* for *lifetime* seconds."""
        now = self._boot()
        while self._flows:
            oldest = next(iter(self._flows))
            if len(self._flows) < self._limit and self._flows[oldest][1] > now:
                break
            del self._flows[oldest]
        self._flows[ticket] = (flow, now + lifetime)

    async def take(self, ticket: str) -> str | None:
        """Return the flow and delete it."""
        flow, until = self._flows.pop(ticket, ("", 0.0))
        return flow if self._boot() < until else None
