"""StoredRecord: one identity's record in the store, as last seen, and the change that is not written yet."""

from collections.abc import Callable

from bitbucket_auth_async.errors import BitbucketAuthError, StoreError
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.clocks import within
from bitbucket_auth_async.telemetry.events import EventKind

Change = Callable[[Record | None], Record | None]
"""A pure function from the present record to the new one; None: nothing to write."""

_MAX_LOST_SWAPS = 10
"""Lost swaps over an unchanged record: a lagging replica explains a few, a broken `swap` explains them all."""


class StoredRecord:
    """Loads and swaps one key within `Timing.store`, and knows since when the record is unchanged."""

    __slots__ = ("_key", "_lost_swaps", "_pending", "_shared", "_unchanged_since", "last_seen", "swap_unconfirmed")

    def __init__(self, shared: SharedResources, key: str, last_seen: Versioned | None = None) -> None:
        """Start from the record that was seen before; nothing is read yet."""
        self._shared = shared
        self._key = key
        self.last_seen = last_seen
        self._unchanged_since = 0.0
        self._pending: Change | None = None
        self._lost_swaps = 0
        self.swap_unconfirmed = False
        """True while it is unknown whether the last swap was written."""

    @property
    def unsaved(self) -> bool:
        """True if a change is not in the store yet."""
        return self._pending is not None

    @property
    def record(self) -> Record | None:
        """The record as last seen; if it is out of date, a swap over it fails."""
        return None if self.last_seen is None else self.last_seen.record

    @property
    def may_be_claimed(self) -> bool:
        """True if the record may hold a claim; its owner and age must not be forgotten."""
        return self.swap_unconfirmed or (self.record is not None and self.record.claim is not None)

    def unchanged_for(self) -> float:
        """Return how many seconds of boot time this version has been seen."""
        return self._shared.clock.boot() - self._unchanged_since

    async def load(self) -> Record | None:
        """Return the present record.

        Raises:
            StoreError: It could not be read within `Timing.store`.
        """
        shared = self._shared
        try:
            found = await within(shared.clock, shared.timing.store, shared.store.load(self._key))
        except Exception as error:
            raise self._store_error(error, "read") from error
        self.swap_unconfirmed = False
        self._see(found)
        return self.record

    async def swap(self, record: Record) -> bool:
        """Replace the record last seen; False: another process was first, so load again.

        Raises:
            StoreError: It could not be written within `Timing.store`, or it is unknown whether it was. Also if the
                store keeps refusing to replace a record that it shows unchanged.
        """
        shared, expected = self._shared, 0 if self.last_seen is None else self.last_seen.version
        if self._lost_swaps >= _MAX_LOST_SWAPS:
            self._lost_swaps = 0
            name = type(shared.store).__name__
            msg = f"{name} does not replace a record that no other process changed. Check its swap()."
            raise StoreError(msg)
        self.swap_unconfirmed = True
        try:
            swap = shared.store.swap(self._key, record, expected=expected)
            version = await within(shared.clock, shared.timing.store, swap)
        except Exception as error:
            raise self._store_error(error, "write") from error
        self.swap_unconfirmed = False
        self._lost_swaps = 0 if version else self._lost_swaps + 1
        if version:
            self._see(Versioned(record, version))
        return bool(version)

    def keep_pending(self, change: Change) -> None:
        """Keep a change for the next write, in place of an earlier one."""
        self._pending = change

    async def write_pending(self) -> None:
        """Write the pending change, if there is one, over the record as other processes leave it.

        Raises:
            StoreError: It could not be written; it stays pending.
        """
        while self._pending is not None:
            record = self._pending(self.record)
            if record is None or await self.swap(record):
                self._pending = None
            else:
                await self.load()

    async def flush(self) -> None:
        """Write what could not be written before, over the present record.

        Raises:
            StoreError: It still can't be written.
        """
        if self._pending is not None:
            await self.load()
            await self.write_pending()

    async def save(self, change: Change) -> bool:
        """Write a change that brings a token; False: the store failed, so the change stays pending."""
        self._pending = change
        try:
            await self.write_pending()
        except BitbucketAuthError as error:  # a StoreError, or a ConfigurationError of a store that was closed
            detail = f"{error} The token is kept in memory, and saving is repeated."
            self._shared.tell(EventKind.SAVE_FAILED, self._key, detail)
            return False
        return True

    def _see(self, found: Versioned | None) -> None:
        if self.last_seen is None or found is None or found.version != self.last_seen.version:
            self._unchanged_since = self._shared.clock.boot()
        if (found and found.version) != (self.last_seen and self.last_seen.version):
            self._lost_swaps = 0  # another process did change the record
        self.last_seen = found

    def _store_error(self, error: Exception, verb: str) -> BitbucketAuthError:
        if isinstance(error, BitbucketAuthError):  # the store's own words; a ConfigurationError stays one
            return error.again()
        name = type(self._shared.store).__name__
        if isinstance(error, TimeoutError):
            return StoreError(f"{name} could not {verb} within {self._shared.timing.store:g} s.")
        return StoreError(f"{name} could not {verb}: {type(error).__name__}.")
