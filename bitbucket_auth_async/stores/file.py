"""FileStore: records in one private JSON file, shared by all processes of a machine."""

import asyncio
import os
import random
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import platformdirs

from bitbucket_auth_async.codecs.json import JsonCodec, checked_codec, json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.runtime.threads import Threads
from bitbucket_auth_async.stores import _json_document
from bitbucket_auth_async.stores._key_checks import check_key

_WAY_OUT = "Restore a backup, or move the file away: then people sign in again, and a bot just gets a new token."
_FORMAT = "bitbucket-auth-async"
_SCHEMA = 1
_JSON = JsonCodec()
_READ_THREADS = 4


class FileStore:
    """Keeps all records in one file, for a few dozen identities.

    Each write replaces the whole file (mode 0600; a new directory gets 0700) under a lock file next to it, so any
    number of processes on one machine may share it. A symbolic link is followed and kept.

    The npm package bitbucket-auth's file, `{"refreshToken": "…"}`, is read until the first `swap` replaces it. Until
    then `load` of any key returns a record whose token is expired and has only a refresh token. The file does not name
    the issuer, so the record's issuer has empty texts, which the process that renews it fills in.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        app_name: str | None = None,
        codec: Codec = _JSON,
        lock_timeout: float = 10.0,
    ) -> None:
        """Work out the path; open nothing yet.

        Args:
            path: The file; `~` is the home directory.
            app_name: Instead of a path: `tokens.json` in this application's data directory.
            codec: Turns records into bytes; an encrypting one hides the tokens from anyone who can read the file.
            lock_timeout: Seconds that a `swap` may take, including the wait for other writers.

        Raises:
            ConfigurationError: Neither *path* nor *app_name* is given, or both, or no file can have that name; or
                *codec* is not a codec.
        """
        self._path = _full_path(path, app_name)
        self._codec = checked_codec(codec)
        self._lock_timeout = lock_timeout
        self._read_threads, self._write_thread = Threads(_READ_THREADS), Threads(1)
        self._loop_locks = PerLoop("FileStore", asyncio.Lock)

    def __repr__(self) -> str:
        """Show the path."""
        return f"FileStore({self._path!r})"

    async def load(self, key: str, /) -> Versioned | None:
        """Return the record under *key*, or None.

        Raises:
            StoreError: The file could not be read.
            RecordError: It is another program's file, or is damaged; it is left unchanged.
        """
        check_key(key)
        content = await self._content()
        with self._errors_name_path():
            document, npm_record = _parse(content)
            return _json_document.find(document["records"], key, self._codec) or npm_record

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Replace version *expected* by *record*; return the new version, or 0 if another writer was first.

        Once started, it runs to its end in its thread and releases the lock, even if the caller is cancelled.

        Raises:
            StoreError: The file could not be written; after a timeout, the write may still succeed.
            RecordError: It is another program's file, or is damaged; it is left unchanged.
        """
        check_key(key)
        data = self._codec.encode(key, record)
        loop_lock = self._loop_locks.get()
        try:
            async with asyncio.timeout(self._lock_timeout), loop_lock:
                while True:
                    version = await self._write_thread.run(self._try_swap, key, data, expected)
                    if version is not None:
                        return version
                    await asyncio.sleep(random.uniform(0.002, 0.02))  # noqa: S311  - jitter, no secret
        except TimeoutError:
            msg = (
                f"{self._path} was not written within {self._lock_timeout:g} s: its lock is taken, or the disk hangs. "
                "Look for a process that was stopped while writing, or choose a local disk."
            )
            raise StoreError(msg) from None

    async def keys(self) -> list[str]:
        """Return all stored keys, sorted.

        Raises:
            StoreError: The file could not be read.
            RecordError: It is another program's file, or is damaged; it is left unchanged.
        """
        content = await self._content()
        with self._errors_name_path():
            return sorted(_parse(content)[0]["records"])

    async def aclose(self) -> None:
        """Do nothing: nothing stays open."""

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: nothing stays open."""

    async def _content(self) -> bytes | None:
        try:  # needs no lock: the file is replaced by an atomic rename
            return await self._read_threads.run(private_file.read, self._path)
        except OSError as error:
            raise private_file.store_error(self._path, "read", error) from error

    def _try_swap(self, key: str, data: bytes, expected: int) -> int | None:
        """Compare and swap if the lock is free; return None if it is not."""
        version = 0

        def change(content: bytes | None) -> bytes | None:
            nonlocal version
            document, npm_record = _parse(content)
            records = document["records"]
            if (_json_document.version_of(records, key) or (npm_record.version if npm_record else 0)) != expected:
                return None
            version = new_version()
            return json_bytes({**document, "records": _json_document.put(records, key, data, version)})

        try:
            with self._errors_name_path():
                return version if private_file.update(self._path, change) else None
        except OSError as error:
            raise private_file.store_error(self._path, "written", error) from error

    @contextmanager
    def _errors_name_path(self) -> Generator[None]:
        """Put the path in front of a RecordError's message."""
        try:
            yield
        except RecordError as error:
            msg = f"{self._path}: {error}"
            raise RecordError(msg) from error


def _full_path(path: str | os.PathLike[str] | None, app_name: str | None) -> str:
    if (path is None) == (app_name is None):
        msg = "FileStore takes either path or app_name."
        raise ConfigurationError(msg)
    if app_name is not None:
        if app_name.strip() in {"", ".", ".."} or any(character in app_name for character in "/\\\0"):
            msg = f"app_name {app_name!r} must be the name of one directory, such as 'my-app'."
            raise ConfigurationError(msg)
        return str(platformdirs.user_data_path(app_name, appauthor=False) / "tokens.json")
    text = os.fspath(path or "")
    if not text or "\0" in text:
        msg = f"path {text!r} can't name a file. Give another one."
        raise ConfigurationError(msg)
    try:
        return os.path.abspath(Path(text).expanduser())  # noqa: PTH100  - Path.absolute() leaves '..' in
    except RuntimeError as error:
        msg = f"path {text!r}: the home directory is unknown. Write the path without '~'."
        raise ConfigurationError(msg) from error


def _parse(content: bytes | None) -> tuple[dict[str, Any], Versioned | None]:
    """Return our document, and the record of the npm package's file if it is one."""
    empty: dict[str, Any] = {"format": _FORMAT, "schema": _SCHEMA, "records": {}}
    if content is None:
        return empty, None
    document = _json_object(content)
    if document.get("format") == _FORMAT:
        return _checked_document(document), None
    if not document.keys() - {"refreshToken"}:
        refresh_token = document.get("refreshToken")
        if not refresh_token:  # the npm package writes {} if it got none
            return empty, None
        if isinstance(refresh_token, str):
            return empty, _json_document.npm_record(refresh_token)
    msg = "This is not a file of bitbucket-auth-async; it is left unchanged. Choose another path, or move it away."
    raise RecordError(msg)


def _json_object(content: bytes) -> dict[str, Any]:
    with suppress(RecordError):  # its message is about a record, not about a file
        return json_object(content)
    problem = "holds no JSON object" if content.strip() else "is empty"
    msg = f"The file {problem}; it is left unchanged. {_WAY_OUT}"
    raise RecordError(msg)


def _checked_document(document: dict[str, Any]) -> dict[str, Any]:
    schema = document.get("schema")
    if isinstance(schema, int) and schema > _SCHEMA:
        msg = f"The file has schema {schema}, newer than {_SCHEMA}. Update bitbucket-auth-async here too."
        raise RecordError(msg)
    if schema != _SCHEMA or isinstance(schema, bool) or not isinstance(document.get("records"), dict):
        msg = f"The file is damaged; it is left unchanged. {_WAY_OUT}"
        raise RecordError(msg)
    return document
