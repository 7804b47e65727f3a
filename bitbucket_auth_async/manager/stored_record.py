"""One identity's record in the store, as this process knows it, and what is yet to be written there."""

from collections.abc import Callable

from bitbucket_auth_async.errors import BitbucketAuthError, StoreError
from bitbucket_auth_async.protocols import Clock, TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.clocks import within

Change = Callable[[Record | None], Record | None]
"""Makes the new record of the one there is; None: nothing is to change."""

_MOST_REFUSALS = 10
"""A replica that lags, or a conflict told as a loss, passes; a `swap` that never works must not be called for ever."""


class Ledger:
    """Loads and swaps one key, within bounded time, and remembers what it saw and since when."""

    __slots__ = ("_clock", "_key", "_limit", "_pending", "_refusals", "_since", "_store", "seen", "unsure")

    def __init__(
        self, store: TokenStore, key: str, *, clock: Clock, limit: float, seen: Versioned | None = None
    ) -> None:
        """Keep the store, and what was *seen* in it before; nothing is read yet."""
        self._store = store
        self._key = key
        self._clock = clock
        self._limit = limit
        self.seen = seen
        self._since = 0.0
        self._pending: Change | None = None
        self._refusals = 0
        self.unsure = False
        """Whether a swap was begun of which nobody knows how it ended."""

    @property
    def unsaved(self) -> bool:
        """Whether something that happened is not in the store yet."""
        return self._pending is not None

    @property
    def record(self) -> Record | None:
        """The record last seen, which may be out of date; a swap over it tells."""
        return None if self.seen is None else self.seen.record

    def seen_for(self) -> float:
        """Return for how many seconds of boot time the record has been known to be the same."""
        return self._clock.boot() - self._since

    async def load(self) -> Record | None:
        """Return the record as it is now.

        Raises:
            StoreError: It could not be read, within the limit.
        """
        try:
            found = await within(self._clock, self._limit, self._store.load(self._key))
        except Exception as error:
            raise self._failure(error, "read") from error
        self.unsure = False
        self._see(found)
        return self.record

    async def swap(self, record: Record) -> bool:
        """Put *record* in the place of the one last seen; False: someone was first, so load again.

        Raises:
            StoreError: It could not be written, within the limit; it may still have been. Or the store says again and
                again that someone was first, and shows the record that nobody changed.
        """
        expected = 0 if self.seen is None else self.seen.version
        if self._refusals >= _MOST_REFUSALS:
            self._refusals = 0
            msg = f"{type(self._store).__name__} does not replace a record that nobody changed: is its swap() right?"
            raise StoreError(msg)
        self.unsure = True
        try:
            version = await within(self._clock, self._limit, self._store.swap(self._key, record, expected=expected))
        except Exception as error:
            raise self._failure(error, "write") from error
        self.unsure = False
        self._refusals = 0 if version else self._refusals + 1
        if version:
            self._see(Versioned(record, version))
        return bool(version)

    def note(self, change: Change) -> None:
        """Keep what happened until it is written."""
        self._pending = change

    async def write(self) -> None:
        """Write what was noted, if anything was.

        Raises:
            StoreError: It could not be written; it stays noted.
        """
        if self._pending is not None:
            await self.change(self._pending)
            self._pending = None

    async def flush(self) -> None:
        """Write what could not be written before, over what others wrote since.

        Raises:
            StoreError: It still can't be.
        """
        if self._pending is not None:
            await self.load()
            await self.write()

    async def change(self, change: Change) -> None:
        """Apply a pure change to the record, as often as someone else is first; None means that nothing is to change.

        Raises:
            StoreError: The record could not be read or written.
        """
        while True:
            record = change(self.record)
            if record is None or await self.swap(record):
                return
            await self.load()

    def _see(self, found: Versioned | None) -> None:
        if self.seen is None or found is None or found.version != self.seen.version:
            self._since = self._clock.boot()
        if (found and found.version) != (self.seen and self.seen.version):
            self._refusals = 0  # someone was first indeed
        self.seen = found

    def _failure(self, error: Exception, verb: str) -> BitbucketAuthError:
        if isinstance(error, BitbucketAuthError):  # the store says it best; a ConfigurationError stays one
            return error.again()
        name = type(self._store).__name__
        if isinstance(error, TimeoutError):
            return StoreError(f"{name} could not {verb} within {self._limit:g} s.")
        return StoreError(f"{name} could not {verb}: {type(error).__name__}.")
