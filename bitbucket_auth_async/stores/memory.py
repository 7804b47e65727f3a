"""MemoryStore: records that live as long as the process."""

import threading

from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record, new_version


class MemoryStore:
    """Keeps records in a dict, for all threads and loops of one process; a restart loses them."""

    __slots__ = ("_lock", "_records")

    def __init__(self) -> None:
        """Begin empty."""
        self._records: dict[str, Versioned] = {}
        self._lock = threading.Lock()

    async def load(self, key: str, /) -> Versioned | None:
        """Return what is kept under *key*; None means that nothing is."""
        return self._records.get(key)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Put *record* in the place of version *expected*; return its new version, or 0 if someone was first."""
        version = new_version()
        with self._lock:
            kept = self._records.get(key)
            if (0 if kept is None else kept.version) != expected:
                return 0
            self._records[key] = Versioned(record, version)
        return version
