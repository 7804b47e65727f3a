"""CallbackStore: records inside the program's own configuration, loaded and saved by its two functions."""

import asyncio
import copy
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast, overload

from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.stores import _json_document
from bitbucket_auth_async.stores._key_checks import check_key

_RECORDS = "bitbucket_auth_async"
_NPM_FIELD = "refreshToken"
_JSON = JsonCodec()

LoadConfig = Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None]
"""Returns the configuration saved last, or None; sync or async."""
SaveConfig = Callable[[dict[str, Any]], object]
"""Saves a configuration; sync or async."""


class ConfigStorage(Protocol):
    """An object that loads and saves a configuration; both methods may be sync or async."""

    def load_config(self) -> Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None:
        """Return the configuration, or None or an empty one before the first save."""
        ...

    def save_config(self, config: dict[str, Any], /) -> object:
        """Save the configuration; return, or end if async, only once it is saved."""
        ...


class CallbackStore:
    """Keeps records in a JSON-compatible mapping, which the program's functions load and save.

    The store adds two fields and leaves the others unchanged: `bitbucket_auth_async` with the records, and
    `refreshToken` with the refresh token saved last, in clear, as the npm package bitbucket-auth stored it. A
    configuration with `refreshToken` alone is read as that package's: see `FileStore`.

    Calls run one at a time within this process, across its event loops and threads. Another process that saves the same
    configuration may overwrite a record. Sync functions run on the event loop and should be quick.
    """

    @overload
    def __init__(self, load_config: LoadConfig, save_config: SaveConfig, /) -> None: ...

    @overload
    def __init__(self, load_config: ConfigStorage, /) -> None: ...

    def __init__(self, load_config: LoadConfig | ConfigStorage, save_config: SaveConfig | None = None, /) -> None:
        """Take both functions, or one object that has them as methods.

        Raises:
            ConfigurationError: One of the two is missing or not callable.
        """
        load: Any = load_config if save_config is not None else getattr(load_config, "load_config", None)
        save: Any = save_config if save_config is not None else getattr(load_config, "save_config", None)
        if not callable(load) or not callable(save):
            msg = "CallbackStore takes the functions load_config and save_config, or one object with both as methods."
            raise ConfigurationError(msg)
        self._load_config: Callable[..., object] = load
        self._save_config: Callable[..., object] = save
        self._loop_locks = PerLoop("CallbackStore", asyncio.Lock)
        self._lock = threading.Lock()

    async def load(self, key: str, /) -> Versioned | None:
        """Return the record under *key*, or None.

        Raises:
            StoreError: `load_config` raised an error.
            RecordError: It returned something other than a mapping, or the store's fields in it are damaged.
        """
        check_key(key)
        async with self._locked():
            config = await self._config()
        records, npm_record = _parse(config)
        return _json_document.find(records, key, _JSON) or npm_record

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Replace version *expected* by *record*; return the new version, or 0 if another writer was first.

        Once started, it runs to its end even if the caller is cancelled.

        Raises:
            StoreError: One of the functions raised an error.
            RecordError: `load_config` returned something other than a mapping, or the store's fields in it are damaged.
        """
        check_key(key)
        data = _JSON.encode(key, record)
        # Shielded: a save_config that goes on in a thread must end before the next one starts.
        outcome = await asyncio.shield(asyncio.ensure_future(self._swap(key, record, data, expected)))
        if isinstance(outcome, BitbucketAuthError):
            raise outcome
        return outcome

    async def _swap(self, key: str, record: Record, data: bytes, expected: int) -> int | BitbucketAuthError:
        """Return the error instead of raising it: the caller may be gone, and asyncio would log it as unretrieved."""
        try:
            async with self._locked():
                config = await self._config()
                records, npm_record = _parse(config)
                if (_json_document.version_of(records, key) or (npm_record.version if npm_record else 0)) != expected:
                    return 0
                version = new_version()
                kept = copy.deepcopy(_json_document.put(records, key, data, version))
                refresh_token = None if record.token is None else record.token.refresh_token
                await _call("save_config", self._save_config, {**config, _NPM_FIELD: refresh_token, _RECORDS: kept})
                return version
        except BitbucketAuthError as error:
            return error

    async def _config(self) -> Mapping[str, Any]:
        config = await _call("load_config", self._load_config)
        if config is None:
            return {}
        if isinstance(config, Mapping):
            return cast("Mapping[str, Any]", config)
        msg = f"load_config returned a {type(config).__name__}. Let it return a mapping, or None if nothing is saved."
        raise RecordError(msg)

    @asynccontextmanager
    async def _locked(self) -> AsyncGenerator[None]:
        async with self._loop_locks.get():
            while not self._lock.acquire(blocking=False):  # noqa: ASYNC110  - an event loop in another thread has it
                await asyncio.sleep(0.005)
            try:
                yield
            finally:
                self._lock.release()


async def _call(name: str, function: Callable[..., object], *arguments: object) -> object:
    """Call a sync or async function; its errors are named by type alone, because their text may hold a secret."""
    try:
        result = function(*arguments)
        return await result if inspect.isawaitable(result) else result
    except BitbucketAuthError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        cause: BaseException = error  # not this task was cancelled, but one that the function awaited
    except Exception as error:  # noqa: BLE001  - any error of the program's function means: not loaded, not saved
        cause = error
    msg = f"{name} raised {type(cause).__name__}."
    raise StoreError(msg) from cause


def _parse(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Versioned | None]:
    """Return the records, and the record of the npm package's configuration if it is one."""
    records: object = config.get(_RECORDS)
    refresh_token: object = config.get(_NPM_FIELD)
    if records is None and not refresh_token:
        return {}, None
    if records is None and isinstance(refresh_token, str):
        return {}, _json_document.npm_record(refresh_token)
    if isinstance(records, Mapping):
        return cast("Mapping[str, Any]", records), None
    damaged = _NPM_FIELD if records is None else _RECORDS
    msg = f"{damaged} in the configuration is damaged; it is left unchanged. Repair it, or remove it and sign in again."
    raise RecordError(msg)
