"""MemoryStore: records in memory, gone when the process ends."""

import threading

from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record, new_version


class MemoryStore:
    """Keeps records in a dict, shared by all threads and event loops of one process; a restart loses them."""

    __slots__ = ("_lock", "_records")

    def __init__(self) -> None:
        """Start empty."""
        self._records: dict[str, Versioned] = {}
        self._lock = threading.Lock()

    async def load(self, key: str, /) -> Versioned | None:
        """Return the record under *key*, or None."""
        return self._records.get(key)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Replace version *expected* by *record*; return the new version, or 0 if another writer was first."""
        version = new_version()
        with self._lock:
            kept = self._records.get(key)
            if (0 if kept is None else kept.version) != expected:
                return 0
            self._records[key] = Versioned(record, version)
        return version
