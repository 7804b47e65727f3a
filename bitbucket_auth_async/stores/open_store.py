"""A store from its address: `open_store("redis://…")`, so that a setting can say where tokens are kept."""

import os
import re
from collections.abc import Mapping
from importlib import import_module
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import SplitResult, unquote, urlsplit

from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.protocols import Codec, TokenStore
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.settings import setting

VARIABLE = "BITBUCKET_AUTH_STORE"
"""The variable that holds a store's address; with `_FILE` behind it, the one that names its file."""
_JSON = JsonCodec()
_FORMS = (
    "file:///path/tokens.json, file:name-of-the-application, sqlite:///path/tokens.db, redis://host:6379/0, "
    "rediss://…, unix:///path/of/redis.sock, postgresql://user@host/database, keyring://service"
)
_REDIS = frozenset({"redis", "rediss", "unix", "valkey", "valkeys"})
_POSTGRES = frozenset({"postgresql", "postgres"})


class OpenStore(TokenStore, Protocol):
    """A store that closes what it opened; where nothing stays open, closing does nothing."""

    async def aclose(self) -> None:
        """Close what this store opened itself."""
        ...

    async def __aenter__(self) -> Self:
        """Return the store."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close it."""
        ...


def open_store(url: str, *, codec: Codec = _JSON) -> OpenStore:
    """Return the store that *url* names; nothing is opened before it is used.

    `file:///path/tokens.json`, `file:name-of-the-application`, `sqlite:///path/tokens.db`, `redis://`, `rediss://`,
    `unix://` (or `valkey://`, `valkeys://`), `postgresql://` and `keyring://service` are known. Paths are absolute and
    may have percent escapes; for anything beside the address, make the store itself.

    Raises:
        ConfigurationError: There is no such store, its library is not installed, or the address is none; the text
            shows no more of it than the scheme, since the rest may hold a password.
    """
    check("open_store()", url, "partition", example="an address as text (a path goes into FileStore)")
    scheme = url.partition(":")[0].lower() if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", url) else ""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or not scheme:
        msg = f"This is no address of a store. These are: {_FORMS}."
        raise ConfigurationError(msg)
    if scheme == "file":
        return _file(parts, codec)
    if scheme == "sqlite":
        return _made("sqlite", "SQLiteStore", "sqlite", _path(parts), codec)
    if scheme in _REDIS:
        address = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme) + url[len(scheme) :]
        return _made("redis", "RedisStore", "redis", address, codec)
    if scheme in _POSTGRES:
        return _made("postgres", "PostgresStore", "postgres", url, codec)
    if scheme == "keyring":
        return _made("keyring", "KeyringStore", "keyring", _service(parts), codec)
    msg = f"There is no store for {scheme}:. These are known: {_FORMS}."
    raise ConfigurationError(msg)


def store_from_env(environ: Mapping[str, str] = os.environ, *, codec: Codec = _JSON) -> OpenStore:
    """Return the store whose address `BITBUCKET_AUTH_STORE` holds, or the file that `BITBUCKET_AUTH_STORE_FILE` names.

    Raises:
        ConfigurationError: The variable is not set, or names no store.
    """
    url = setting(environ, VARIABLE)
    if url is None:
        msg = f"{VARIABLE} is not set. Set it to the address of a store: {_FORMS}."
        raise ConfigurationError(msg)
    return open_store(url, codec=codec)


def _made(module: str, name: str, extra: str, argument: str, codec: Codec) -> OpenStore:
    """Import the adapter, which imports its library, and make the store."""
    try:
        adapter: Any = import_module(f"bitbucket_auth_async.stores.{module}")
    except ModuleNotFoundError as error:
        msg = f"{name} needs the library {error.name}: pip install 'bitbucket-auth-async[{extra}]'."
        raise ConfigurationError(msg) from error
    store: OpenStore = getattr(adapter, name)(argument, codec=codec)
    return store


def _file(parts: SplitResult, codec: Codec) -> OpenStore:
    from bitbucket_auth_async.stores.file import FileStore  # noqa: PLC0415  - as any other adapter

    if parts.path.startswith("/"):
        return FileStore(_path(parts), codec=codec)
    return FileStore(app_name=unquote(parts.path), codec=codec)


def _path(parts: SplitResult) -> str:
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/") or parts.query or parts.fragment:
        msg = f"{parts.scheme}: takes an absolute path after two slashes, so there are three: {parts.scheme}:///path."
        raise ConfigurationError(msg)
    return "/" + unquote(parts.path).lstrip("/")


def _service(parts: SplitResult) -> str:
    service = unquote(parts.netloc + parts.path)
    if not service or parts.query or parts.fragment:
        msg = "keyring: takes the name of a service after two slashes: keyring://my-app."
        raise ConfigurationError(msg)
    return service
