"""KeyringStore: records in the keyring of the user's desktop, or of whatever `keyring` has a backend for."""

import asyncio
import base64
import hashlib
import random
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, TypeVarTuple, cast

import platformdirs

from bitbucket_auth_async.codecs.json import JsonCodec, codec_of, json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.runtime.threads import Threads
from bitbucket_auth_async.stores._json_document import check_key

with extra("keyring"):
    import keyring
    from keyring.backend import KeyringBackend
    from keyring.backends import fail, null
    from keyring.errors import KeyringError, KeyringLocked, NoKeyringError, PasswordDeleteError

_A = TypeVarTuple("_A")
_T = TypeVar("_T")
_JSON = JsonCodec()
_LARGEST_VERSION = 2**63 - 1
_MOST_PARTS = 10_000
_SMALL = 1_200
"""Characters: Windows takes 2,560 bytes, and counts two for each."""
_LARGE = 16_000
_THREADS = 4

_HEADLESS = (
    "There is no keyring here: a server has none, or no desktop session is open. Use FileStore with an EncryptedCodec "
    "whose key comes from the environment, or choose a backend by PYTHON_KEYRING_BACKEND."
)


class _Index(NamedTuple):
    """Which version is kept, and where: in one of two slots, in so many parts."""

    version: int
    slot: str
    parts: int


class KeyringStore:
    """Keeps records in the user's keyring, for a few identities on one desktop.

    A record is written in parts small enough for the backend, into the one of two slots that is not in use; then one
    short entry, the index, is switched to it. So a reader sees the old record or the new one, whole, and a crash
    leaves the old. Writers take turns by a lock file in the user's data directory, so they must share that too. All of
    it happens in threads. A keyring can't be listed, so there is no `keys()` here.

    Args:
        service: The name under which the entries are kept.
        backend: A backend of `keyring`; by default the one that it chooses itself.
        codec: What makes bytes of a record; the keyring encrypts already.
        part: The most characters that one entry gets; by default 1,200 on Windows, else 16,000.
        timeout: Seconds that one call may take; a keyring that asks for its password may take longer.

    Raises:
        ConfigurationError: The service has no name, the part is no positive number, or *codec* is none.
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
        """Ask for nothing yet."""
        if part is None:
            part = _SMALL if sys.platform == "win32" else _LARGE
        if not service.strip() or "\0" in service or part < 1:
            msg = "KeyringStore takes the name of a service, and parts of at least one character."
            raise ConfigurationError(msg)
        self._service = service
        self._backend = backend
        self._codec = codec_of(codec)
        self._part = part
        self._timeout = timeout
        self._threads = Threads(_THREADS)
        self._turns = PerLoop("KeyringStore", asyncio.Lock)
        folder = platformdirs.user_data_path("bitbucket_auth_async", appauthor=False)
        self._beside = str(folder / f"keyring-{_digest(service)[:16]}")

    def __repr__(self) -> str:
        """Show the service."""
        return f"KeyringStore({self._service!r})"

    async def load(self, key: str, /) -> Versioned | None:
        """Return what is stored under *key*; None means that nothing is.

        Raises:
            ConfigurationError: This machine has no keyring; the text names the way out.
            StoreError: The keyring is locked, or does not answer.
            RecordError: What is there is damaged; it is left as it is.
        """
        check_key(key)
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._threaded(self._read, key)
        except TimeoutError:
            raise StoreError(self._too_late("read")) from None
        return None if found is None else Versioned(self._codec.decode(key, found[1]), found[0])

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Put *record* in the place of version *expected*; return its new version, or 0 if someone was first.

        Once begun, it ends in its thread even if the caller is cancelled.

        Raises:
            ConfigurationError: This machine has no keyring; the text names the way out.
            StoreError: The keyring is locked, or does not answer: then it may still be written.
            RecordError: What is there is damaged; it is left as it is.
        """
        check_key(key)
        data = self._codec.encode(key, record)
        turn = self._turns.get()
        try:
            async with asyncio.timeout(self._timeout), turn:
                while True:
                    version = await self._threaded(self._try, key, data, expected)
                    if version is not None:
                        return version
                    await asyncio.sleep(random.uniform(0.002, 0.02))  # noqa: S311  - jitter, no secret
        except TimeoutError:
            raise StoreError(self._too_late("written")) from None

    async def aclose(self) -> None:
        """Do nothing: nothing stays open."""

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: nothing stays open."""

    async def _threaded(self, work: Callable[[*_A], _T], *arguments: *_A) -> _T:
        try:
            return await self._threads.run(work, *arguments)
        except NoKeyringError:
            problem: Exception = ConfigurationError(_HEADLESS)
        except KeyringLocked:
            problem = StoreError("The keyring is locked; unlock it.")
        except OSError as error:
            lock = f"{self._beside}.lock"
            raise private_file.store_error(lock, "locked", error) from error
        except KeyringError as error:
            problem = StoreError(f"The keyring failed with {type(error).__name__}.")
        raise problem  # out here, or what was caught would stay attached

    def _too_late(self, doing: str) -> str:
        return (
            f"The record was not {doing} within {self._timeout:g} s: the keyring does not answer (it may be asking for "
            "its password), or another process holds the lock."
        )

    def _read(self, key: str) -> tuple[int, bytes] | None:
        ring = self._ring()
        index = self._index(ring, key)
        while index is not None:
            texts = [self._get(ring, key, f"{index.slot}{number}") for number in range(index.parts)]
            tag = f"{index.version:x}:"
            if all(text is not None and text.startswith(tag) for text in texts):
                joined = "".join(cast("str", text).removeprefix(tag) for text in texts)
                return index.version, _bytes(joined)
            again = self._index(ring, key)
            if again == index:
                msg = "A part of the record is missing from the keyring; what is left stays as it is."
                raise RecordError(msg)
            index = again  # somebody wrote meanwhile
        return None

    def _try(self, key: str, data: bytes, expected: int) -> int | None:
        """Compare and swap, if the lock is free; None means that it is not."""
        version = 0

        def change(_: bytes | None) -> None:
            nonlocal version
            version = self._change(key, data, expected)

        # Of the file that this would replace we need the lock alone: nothing is ever written.
        return version if private_file.update(self._beside, change) else None

    def _change(self, key: str, data: bytes, expected: int) -> int:
        ring = self._ring()
        before = self._index(ring, key)
        if (0 if before is None else before.version) != expected:
            return 0
        text, version = base64.b64encode(data).decode("ascii"), new_version()
        slot = "b" if before is not None and before.slot == "a" else "a"
        parts = [text[start : start + self._part] for start in range(0, len(text), self._part)]
        for number, part in enumerate(parts):
            # The tag tells a reader who was overtaken that this is not what the index had promised.
            self._set(ring, key, f"{slot}{number}", f"{version:x}:{part}")
        index = {"version": version, "slot": slot, "parts": len(parts)}
        self._set(ring, key, "index", json_bytes(index).decode("ascii"))
        self._delete_from(ring, key, slot, len(parts))
        if before is not None:
            self._delete_from(ring, key, before.slot, 0)
        return version

    def _delete_from(self, ring: KeyringBackend, key: str, slot: str, number: int) -> None:
        """Take away what an older record left: it is nobody's any more."""
        while self._get(ring, key, f"{slot}{number}") is not None:
            try:
                ring.delete_password(self._at(key, f"{slot}{number}"), "token")
            except (PasswordDeleteError, NotImplementedError):
                return  # it stays until it is written over
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
            or not 0 <= parts <= _MOST_PARTS
        ):
            msg = "The entry of the record in the keyring is damaged; it is left as it is."
            raise RecordError(msg)
        return _Index(version, cast("str", slot), parts)

    def _get(self, ring: KeyringBackend, key: str, what: str) -> str | None:
        return ring.get_password(self._at(key, what), "token")

    def _set(self, ring: KeyringBackend, key: str, what: str, text: str) -> None:
        cast("Any", ring).set_password(self._at(key, what), "token", text)  # a decorator took its type away

    def _at(self, key: str, what: str) -> str:
        """Name an entry: one service for each, since Windows keeps a single user for one and folds upper case."""
        return f"{self._service}/{_digest(key)[:32]}/{what}"

    def _ring(self) -> KeyringBackend:
        ring = keyring.get_keyring() if self._backend is None else self._backend
        # The null backend says yes to all and keeps nothing, so a token would be gone without a word.
        if isinstance(ring, fail.Keyring | null.Keyring):
            raise NoKeyringError
        return ring


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        msg = "The record in the keyring is damaged; it is left as it is."
    raise RecordError(msg)
