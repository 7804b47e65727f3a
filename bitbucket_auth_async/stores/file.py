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

from bitbucket_auth_async.codecs.json import JsonCodec, codec_of, json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.runtime.threads import Threads
from bitbucket_auth_async.stores import _json_document

_WAY_OUT = "Restore a good copy, or move it away: then people sign in again, and a bot just gets a new token."
_FORMAT = "bitbucket-auth-async"
_SCHEMA = 1
_JSON = JsonCodec()
_READERS = 4


class FileStore:
    """Keeps all records in one file, for some dozens of identities.

    Every write replaces the whole file (mode 0600, its directory 0700 if it is made here) under a lock file beside
    it, so any number of processes of one machine may share it. A symbolic link is followed and stays.

    The file of the npm package bitbucket-auth, `{"refreshToken": "…"}`, is read until the first `swap` replaces it:
    `load` of any key then gives a record with an expired token that has a refresh token alone. Nobody wrote down
    whose it is: its issuer is all empty text, for the reader to fill in.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        app_name: str | None = None,
        codec: Codec = _JSON,
        lock_timeout: float = 10.0,
    ) -> None:
        """Say where the file is; nothing is opened yet.

        Args:
            path: The file itself; `~` is the home directory.
            app_name: Instead of a path: `tokens.json` in this application's own data directory.
            codec: What makes bytes of a record; one that encrypts keeps secrets from whoever can read the file.
            lock_timeout: Seconds that a `swap` may take, the wait for others included.

        Raises:
            ConfigurationError: Neither a path nor an application was named, or both, or no file can have that name; or
                *codec* is none.
        """
        self._path = _place(path, app_name)
        self._codec = codec_of(codec)
        self._lock_timeout = lock_timeout
        self._readers, self._writer = Threads(_READERS), Threads(1)
        self._turns = PerLoop("FileStore", asyncio.Lock)

    def __repr__(self) -> str:
        """Show the path."""
        return f"FileStore({self._path!r})"

    async def load(self, key: str, /) -> Versioned | None:
        """Return what the file holds under *key*; None means that it holds nothing.

        Raises:
            StoreError: The file could not be read.
            RecordError: It is no file of ours, or is damaged; it is left as it is.
        """
        _json_document.check_key(key)
        content = await self._content()
        with self._naming():
            document, inherited = _parse(content)
            return _json_document.find(document["records"], key, self._codec) or inherited

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Put *record* in the place of version *expected*; return its new version, or 0 if someone was first.

        Once begun, it ends in its thread, lock and all, even if the caller is cancelled.

        Raises:
            StoreError: It could not be written; after the time ran out, it may still be.
            RecordError: The file is none of ours, or is damaged; it is left as it is.
        """
        _json_document.check_key(key)
        data = self._codec.encode(key, record)
        turn = self._turns.get()
        try:
            async with asyncio.timeout(self._lock_timeout), turn:
                while True:
                    version = await self._writer.run(self._try, key, data, expected)
                    if version is not None:
                        return version
                    await asyncio.sleep(random.uniform(0.002, 0.02))  # noqa: S311  - jitter, no secret
        except TimeoutError:
            msg = (
                f"{self._path} was not written within {self._lock_timeout:g} s: its lock is taken, or the disk hangs. "
                "Look for a process that was stopped while it wrote, or choose a local disk."
            )
            raise StoreError(msg) from None

    async def keys(self) -> list[str]:
        """Return the names of all that is stored.

        Raises:
            StoreError: The file could not be read.
            RecordError: It is no file of ours, or is damaged; it is left as it is.
        """
        content = await self._content()
        with self._naming():
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
        try:  # without the lock: renaming is atomic
            return await self._readers.run(private_file.read, self._path)
        except OSError as error:
            raise private_file.store_error(self._path, "read", error) from error

    def _try(self, key: str, data: bytes, expected: int) -> int | None:
        """Compare and swap, if the lock is free; None means that it is not."""
        version = 0

        def change(content: bytes | None) -> bytes | None:
            nonlocal version
            document, inherited = _parse(content)
            records = document["records"]
            if (_json_document.version_of(records, key) or (inherited.version if inherited else 0)) != expected:
                return None
            version = new_version()
            return json_bytes({**document, "records": _json_document.put(records, key, data, version)})

        try:
            with self._naming():
                return version if private_file.update(self._path, change) else None
        except OSError as error:
            raise private_file.store_error(self._path, "written", error) from error

    @contextmanager
    def _naming(self) -> Generator[None]:
        """Say which file it is that holds what can't be read."""
        try:
            yield
        except RecordError as error:
            msg = f"{self._path}: {error}"
            raise RecordError(msg) from error


def _place(path: str | os.PathLike[str] | None, app_name: str | None) -> str:
    if (path is None) == (app_name is None):
        msg = "FileStore takes a path or an app_name, one of them."
        raise ConfigurationError(msg)
    if app_name is not None:
        if app_name.strip() in {"", ".", ".."} or any(character in app_name for character in "/\\\0"):
            msg = f"app_name {app_name!r} must be the name of one directory, such as 'my-app'."
            raise ConfigurationError(msg)
        return str(platformdirs.user_data_path(app_name, appauthor=False) / "tokens.json")
    text = os.fspath(path or "")
    if not text or "\0" in text:
        msg = f"path {text!r} can't name a file."
        raise ConfigurationError(msg)
    try:
        return os.path.abspath(Path(text).expanduser())  # noqa: PTH100  - Path.absolute() leaves '..' in
    except RuntimeError as error:
        msg = f"path {text!r}: nobody knows whose home directory that is."
        raise ConfigurationError(msg) from error


def _parse(content: bytes | None) -> tuple[dict[str, Any], Versioned | None]:
    """Return our document, and the record of the ancestor's if it is that."""
    empty: dict[str, Any] = {"format": _FORMAT, "schema": _SCHEMA, "records": {}}
    if content is None:
        return empty, None
    document = _json_object(content)
    if document.get("format") == _FORMAT:
        return _ours(document), None
    if not document.keys() - {"refreshToken"}:
        refresh_token = document.get("refreshToken")
        if not refresh_token:  # that package writes {} when it got none
            return empty, None
        if isinstance(refresh_token, str):
            return empty, _json_document.ancestor(refresh_token)
    msg = "This is not a file of bitbucket-auth-async; it is left as it is. Choose another path, or move it away."
    raise RecordError(msg)


def _json_object(content: bytes) -> dict[str, Any]:
    with suppress(RecordError):  # it speaks of a record, and here it is the file
        return json_object(content)
    problem = "holds no JSON object" if content.strip() else "is empty"
    msg = f"The file {problem}; it is left as it is. {_WAY_OUT}"
    raise RecordError(msg)


def _ours(document: dict[str, Any]) -> dict[str, Any]:
    schema = document.get("schema")
    if isinstance(schema, int) and schema > _SCHEMA:
        msg = f"The file has schema {schema}, newer than {_SCHEMA}: update bitbucket-auth-async here too."
        raise RecordError(msg)
    if schema != _SCHEMA or isinstance(schema, bool) or not isinstance(document.get("records"), dict):
        msg = f"The file is damaged; it is left as it is. {_WAY_OUT}"
        raise RecordError(msg)
    return document
