"""Sign-ins that are under way: who keeps what the browser must not see until it comes back."""

import time
from collections.abc import Callable
from typing import Protocol


class FlowStore(Protocol):
    """Keeps sealed sign-ins on the server's side, each for minutes; a cache such as Redis will do."""

    async def save(self, ticket: str, flow: str, *, lifetime: float) -> None:
        """Keep *flow* for *lifetime* seconds."""
        ...

    async def take(self, ticket: str) -> str | None:
        """Return what is kept, and forget it in the same step, so that nobody gets it twice."""
        ...


class MemoryFlowStore:
    """A FlowStore in this process: of *limit* sign-ins at once at most, the oldest of which makes room."""

    __slots__ = ("_boot", "_flows", "_limit")

    def __init__(self, limit: int = 10_000, *, boot: Callable[[], float] = time.monotonic) -> None:
        """Begin empty."""
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
        """Return what is kept, and forget it."""
        flow, until = self._flows.pop(ticket, ("", 0.0))
        return flow if self._boot() < until else None


class Spent:
    """Remembers for a while which sign-ins came back to this process, *limit* at most, so that none does so twice."""

    __slots__ = ("_limit", "_until")

    def __init__(self, limit: int = 100_000) -> None:
        """Begin empty."""
        self._until: dict[str, float] = {}
        self._limit = limit

    def first(self, name: str, *, now: float, until: float) -> bool:
        """Tell whether *name* comes for the first time; it is remembered until then."""
        if self._until.get(name, now) > now:
            return False
        while self._until:  # in the order of their coming, which is that of their ends
            oldest = next(iter(self._until))
            if len(self._until) < self._limit and self._until[oldest] > now:
                break
            del self._until[oldest]
        self._until[name] = until
        return True
