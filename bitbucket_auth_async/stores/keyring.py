"""KeyringStore: records in the user's desktop keyring, or in any other backend of `keyring`."""

import asyncio
import base64
import hashlib
import random
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, TypeVarTuple, cast

import platformdirs

from bitbucket_auth_async.codecs.json import JsonCodec, checked_codec, json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.runtime.threads import Threads
from bitbucket_auth_async.stores._key_checks import check_key

with extra("keyring"):
    import keyring
    from keyring.backend import KeyringBackend
    from keyring.backends import fail, null
    from keyring.errors import KeyringError, KeyringLocked, NoKeyringError, PasswordDeleteError

_A = TypeVarTuple("_A")
_T = TypeVar("_T")
_JSON = JsonCodec()
_LARGEST_VERSION = 2**63 - 1
_MAX_PARTS = 10_000
_PART_ON_WINDOWS = 1_200
"""Characters: Windows takes 2,560 bytes in UTF-16."""
_PART = 16_000
_THREADS = 4

_NO_KEYRING = (
    "There is no keyring here: this is a server, or no desktop session is open. Use FileStore with EncryptedCodec and "
    "keys_from_env(), or choose a backend by PYTHON_KEYRING_BACKEND."
)


class _Index(NamedTuple):
    """The current version, its slot (`a` or `b`), and its number of parts."""

    version: int
    slot: str
    parts: int


class KeyringStore:
    """Keeps records in the user's keyring, for a few identities on one desktop.

    A record is written in parts small enough for the backend, into the unused one of two slots. Then one short entry,
    the index, is switched to that slot. So a reader sees either the old record or the new one, and a crash leaves the
    old one. Writers take turns by a lock file in the user's data directory, so they must share that directory too. All
    keyring calls run in threads. A keyring can't be listed, so there is no `keys()`.

    Args:
        service: The name of the keyring entries.
        backend: A backend of `keyring`; by default `keyring` chooses one.
        codec: Turns records into bytes; the keyring itself encrypts.
        part: The maximal number of characters in one entry; by default 1,200 on Windows, else 16,000.
        timeout: Seconds that one call may take; entering the keyring's password may take longer.

    Raises:
        ConfigurationError: The service name is blank, *part* is not positive, or *codec* is not a codec.
    """

    def __init__(
        self,
        service: str = "bitbucket_auth_async",
        *,
        backend: KeyringBackend | None = None,
        codec: Codec = _JSON,
        part: int | None = None,
        timeout: float = 10.0,
    ) -> None:
        """Read nothing yet."""
        if part is None:
            part = _PART_ON_WINDOWS if sys.platform == "win32" else _PART
        if not service.strip() or "\0" in service or part < 1:
            msg = "KeyringStore takes a service name that is not blank, and a part of at least 1 character."
            raise ConfigurationError(msg)
        self._service = service
        self._backend = backend
        self._codec = checked_codec(codec)
        self._part = part
        self._timeout = timeout
        self._threads = Threads(_THREADS)
        self._loop_locks = PerLoop("KeyringStore", asyncio.Lock)
        folder = platformdirs.user_data_path("bitbucket_auth_async", appauthor=False)
        self._lock_path = str(folder / f"keyring-{_digest(service)[:16]}")

    def __repr__(self) -> str:
        """Show the service."""
        return f"KeyringStore({self._service!r})"

    async def load(self, key: str, /) -> Versioned | None:
        """Return the record under *key*, or None.

        Raises:
            ConfigurationError: This machine has no keyring; the message says what to use instead.
            StoreError: The keyring is locked, or does not answer.
            RecordError: The record is damaged; it is left unchanged.
        """
        check_key(key)
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._in_thread(self._read, key)
        except TimeoutError:
            raise StoreError(self._timeout_message("read")) from None
        return None if found is None else Versioned(self._codec.decode(key, found[1]), found[0])

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Replace version *expected* by *record*; return the new version, or 0 if another writer was first.

        Once started, it runs to its end in its thread even if the caller is cancelled.

        Raises:
            ConfigurationError: This machine has no keyring; the message says what to use instead.
            StoreError: The keyring is locked, or does not answer; then the write may still succeed.
            RecordError: The record is damaged; it is left unchanged.
        """
        check_key(key)
        data = self._codec.encode(key, record)
        loop_lock = self._loop_locks.get()
        try:
            async with asyncio.timeout(self._timeout), loop_lock:
                while True:
                    version = await self._in_thread(self._try_swap, key, data, expected)
                    if version is not None:
                        return version
                    await asyncio.sleep(random.uniform(0.002, 0.02))  # noqa: S311  - jitter, no secret
        except TimeoutError:
            raise StoreError(self._timeout_message("written")) from None

    async def aclose(self) -> None:
        """Do nothing: nothing stays open."""

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: nothing stays open."""

    async def _in_thread(self, work: Callable[[*_A], _T], *arguments: *_A) -> _T:
        try:
            return await self._threads.run(work, *arguments)
        except NoKeyringError:
            failure: Exception = ConfigurationError(_NO_KEYRING)
        except KeyringLocked:
            failure = StoreError("The keyring is locked. Unlock it.")
        except OSError as error:
            lock = f"{self._lock_path}.lock"
            raise private_file.store_error(lock, "locked", error) from error
        except KeyringError as error:
            failure = StoreError(f"The keyring failed with {type(error).__name__}. Check that it is unlocked.")
        raise failure  # outside the handler, so that the caught error does not stay attached

    def _timeout_message(self, doing: str) -> str:
        return (
            f"The record was not {doing} within {self._timeout:g} s: the keyring does not answer (it may be asking for "
            "its password), or another process holds the lock. Unlock the keyring, or raise timeout."
        )

    def _read(self, key: str) -> tuple[int, bytes] | None:
        ring = self._keyring()
        index = self._index(ring, key)
        while index is not None:
            texts = [self._get(ring, key, f"{index.slot}{number}") for number in range(index.parts)]
            tag = f"{index.version:x}:"
            if all(text is not None and text.startswith(tag) for text in texts):
                joined = "".join(cast("str", text).removeprefix(tag) for text in texts)
                return index.version, _from_base64(joined)
            again = self._index(ring, key)
            if again == index:
                msg = "A part of the record is missing; the rest is left unchanged. Sign in again under another key."
                raise RecordError(msg)
            index = again  # another process has just written
        return None

    def _try_swap(self, key: str, data: bytes, expected: int) -> int | None:
        """Compare and swap if the lock is free; return None if it is not."""
        version = 0

        def change(_: bytes | None) -> None:
            nonlocal version
            version = self._swap(key, data, expected)

        # Only the lock of this file is needed; the file itself is never written.
        return version if private_file.update(self._lock_path, change) else None

    def _swap(self, key: str, data: bytes, expected: int) -> int:
        ring = self._keyring()
        before = self._index(ring, key)
        if (0 if before is None else before.version) != expected:
            return 0
        text, version = base64.b64encode(data).decode("ascii"), new_version()
        slot = "b" if before is not None and before.slot == "a" else "a"
        parts = [text[start : start + self._part] for start in range(0, len(text), self._part)]
        for number, part in enumerate(parts):
            # The tag shows a slow reader that this part is newer than the index it has read.
            self._set(ring, key, f"{slot}{number}", f"{version:x}:{part}")
        index = {"version": version, "slot": slot, "parts": len(parts)}
        self._set(ring, key, "index", json_bytes(index).decode("ascii"))
        self._delete_parts(ring, key, slot, len(parts))
        if before is not None:
            self._delete_parts(ring, key, before.slot, 0)
        return version

    def _delete_parts(self, ring: KeyringBackend, key: str, slot: str, number: int) -> None:
        """Delete the parts of an older record, from *number* on."""
        while self._get(ring, key, f"{slot}{number}") is not None:
            try:
                ring.delete_password(self._entry(key, f"{slot}{number}"), "token")
            except (PasswordDeleteError, NotImplementedError):
                return  # kept until it is overwritten
            number += 1

    def _index(self, ring: KeyringBackend, key: str) -> _Index | None:
        text = self._get(ring, key, "index")
        if text is None:
            return None
        found = json_object(text.encode("utf-8", "replace"))
        version, slot, parts = found.get("version"), found.get("slot"), found.get("parts")
        if (
            not isinstance(version, int)
            or not 0 < version <= _LARGEST_VERSION
            or slot not in {"a", "b"}
            or not isinstance(parts, int)
            or not 0 <= parts <= _MAX_PARTS
        ):
            msg = "The record's index in the keyring is damaged; it is left unchanged. Sign in again under another key."
            raise RecordError(msg)
        return _Index(version, cast("str", slot), parts)

    def _get(self, ring: KeyringBackend, key: str, what: str) -> str | None:
        return ring.get_password(self._entry(key, what), "token")

    def _set(self, ring: KeyringBackend, key: str, what: str, text: str) -> None:
        cast("Any", ring).set_password(self._entry(key, what), "token", text)  # a decorator hides its type

    def _entry(self, key: str, what: str) -> str:
        """Return the service name of an entry: Windows keeps one user per service and ignores case."""
        return f"{self._service}/{_digest(key)[:32]}/{what}"

    def _keyring(self) -> KeyringBackend:
        ring = keyring.get_keyring() if self._backend is None else self._backend
        # The null backend accepts everything and stores nothing: a token would be lost silently.
        if isinstance(ring, fail.Keyring | null.Keyring):
            raise NoKeyringError
        return ring


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        msg = "The record in the keyring is damaged; it is left unchanged. Sign in again under another key."
    raise RecordError(msg)
