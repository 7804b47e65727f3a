"""CallbackStore: records inside a configuration that the program keeps itself, by two functions of its own."""

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

_SECTION = "bitbucket_auth_async"
_ANCESTOR = "refreshToken"
_JSON = JsonCodec()

LoadConfig = Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None]
"""Returns the configuration that was saved last, or None; a coroutine function will do."""
SaveConfig = Callable[[dict[str, Any]], object]
"""Saves a configuration; a coroutine function will do."""


class ConfigKeeper(Protocol):
    """An object that keeps a configuration; both methods may be sync or async."""

    def load_config(self) -> Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None:
        """Return the configuration; None or an empty one if there is none yet."""
        ...

    def save_config(self, config: dict[str, Any], /) -> object:
        """Keep the configuration, and return (or end, if async) only once it is kept."""
        ...


class CallbackStore:
    """Keeps records where the program says, by functions that load and save one JSON-able mapping.

    The mapping has the program's own fields, which stay as they are, `refreshToken` (the refresh token saved last, in
    clear, as the npm package bitbucket-auth kept it) and `bitbucket_auth_async` with the records. One with
    `refreshToken` alone is read as that package's: see `FileStore`.

    Calls are one after the other within this process, whichever loop or thread they come from; another process that
    saves the same configuration may undo what this one saved. Sync functions run on the loop, so they should be quick.
    """

    @overload
    def __init__(self, load_config: LoadConfig, save_config: SaveConfig, /) -> None: ...

    @overload
    def __init__(self, load_config: ConfigKeeper, /) -> None: ...

    def __init__(self, load_config: LoadConfig | ConfigKeeper, save_config: SaveConfig | None = None, /) -> None:
        """Take both functions, or one object that has them as `load_config` and `save_config`.

        Raises:
            ConfigurationError: One of the two is missing, or can't be called.
        """
        load: Any = load_config if save_config is not None else getattr(load_config, "load_config", None)
        save: Any = save_config if save_config is not None else getattr(load_config, "save_config", None)
        if not callable(load) or not callable(save):
            msg = "CallbackStore takes the functions load_config and save_config, or one object with both as methods."
            raise ConfigurationError(msg)
        self._load_config: Callable[..., object] = load
        self._save_config: Callable[..., object] = save
        self._turns = PerLoop("CallbackStore", asyncio.Lock)
        self._lock = threading.Lock()

    async def load(self, key: str, /) -> Versioned | None:
        """Return what the configuration holds under *key*; None means that it holds nothing.

        Raises:
            StoreError: `load_config` raised something.
            RecordError: What it returned is no configuration, or our part of it is damaged.
        """
        _json_document.check_key(key)
        async with self._alone():
            config = await self._config()
        records, inherited = _parse(config)
        return _json_document.find(records, key, _JSON) or inherited

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Put *record* in the place of version *expected*; return its new version, or 0 if someone was first.

        Once begun, it ends even if the caller is cancelled.

        Raises:
            StoreError: One of the functions raised something.
            RecordError: What `load_config` returned is no configuration, or our part of it is damaged.
        """
        _json_document.check_key(key)
        data = _JSON.encode(key, record)
        # Shielded: a save_config that goes on in a thread must not be overtaken by the next one.
        outcome = await asyncio.shield(asyncio.ensure_future(self._swap(key, record, data, expected)))
        if isinstance(outcome, BitbucketAuthError):
            raise outcome
        return outcome

    async def _swap(self, key: str, record: Record, data: bytes, expected: int) -> int | BitbucketAuthError:
        """Return the error instead of raising it: the caller may be gone, and nobody would look at it."""
        try:
            async with self._alone():
                config = await self._config()
                records, inherited = _parse(config)
                if (_json_document.version_of(records, key) or (inherited.version if inherited else 0)) != expected:
                    return 0
                version = new_version()
                kept = copy.deepcopy(_json_document.put(records, key, data, version))
                refresh_token = None if record.token is None else record.token.refresh_token
                await _called("save_config", self._save_config, {**config, _ANCESTOR: refresh_token, _SECTION: kept})
                return version
        except BitbucketAuthError as error:
            return error

    async def _config(self) -> Mapping[str, Any]:
        config = await _called("load_config", self._load_config)
        if config is None:
            return {}
        if isinstance(config, Mapping):
            return cast("Mapping[str, Any]", config)
        msg = f"load_config returned a {type(config).__name__}; it takes a mapping, or None if nothing is kept."
        raise RecordError(msg)

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        async with self._turns.get():
            while not self._lock.acquire(blocking=False):  # noqa: ASYNC110  - a loop in another thread has it
                await asyncio.sleep(0.005)
            try:
                yield
            finally:
                self._lock.release()


async def _called(name: str, function: Callable[..., object], *arguments: object) -> object:
    """Call what may be sync or async, and say in our words which one failed; its own may hold a secret."""
    try:
        result = function(*arguments)
        return await result if inspect.isawaitable(result) else result
    except BitbucketAuthError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        cause: BaseException = error  # not we are cancelled, but something that the function waited for
    except Exception as error:  # noqa: BLE001  - whatever a program's own function raises means: not loaded, not saved
        cause = error
    msg = f"{name} raised {type(cause).__name__}."
    raise StoreError(msg) from cause


def _parse(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Versioned | None]:
    """Return our records, and the record of the ancestor's configuration if it is that."""
    records: object = config.get(_SECTION)
    refresh_token: object = config.get(_ANCESTOR)
    if records is None and not refresh_token:
        return {}, None
    if records is None and isinstance(refresh_token, str):
        return {}, _json_document.ancestor(refresh_token)
    if isinstance(records, Mapping):
        return cast("Mapping[str, Any]", records), None
    damaged = _ANCESTOR if records is None else _SECTION
    msg = f"{damaged} of the configuration is damaged; it is left as it is. Mend it, or take it out and sign in again."
    raise RecordError(msg)
