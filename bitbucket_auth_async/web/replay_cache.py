"""ReplayCache: detects a callback that this process has already handled."""


class ReplayCache:
    """Names used in the last minutes, at most *limit* of them."""

    __slots__ = ("_limit", "_until")

    def __init__(self, limit: int = 100_000) -> None:
        """Start empty."""
        self._until: dict[str, float] = {}
        self._limit = limit

    def first_use(self, name: str, *, now: float, until: float) -> bool:
        """Return whether *name* is new, and remember it until then."""
        if self._until.get(name, now) > now:
            return False
        while self._until:  # insertion order is also the order of expiry
            oldest = next(iter(self._until))
            if len(self._until) < self._limit and self._until[oldest] > now:
                break
            del self._until[oldest]
        self._until[name] = until
        return True
