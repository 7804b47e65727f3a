"""open_store: a store from its URL, `open_store("redis://…")`, so that a setting can name the store."""

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
"""The environment variable with a store's URL; with `_FILE` appended, the variable that names a file with it."""
_JSON = JsonCodec()
_KNOWN_URLS = (
    "file:///path/tokens.json, file:app-name, sqlite:///path/tokens.db, redis://host:6379/0, "
    "rediss://…, unix:///path/of/redis.sock, postgresql://user@host/database, keyring://service"
)
_REDIS = frozenset({"redis", "rediss", "unix", "valkey", "valkeys"})
_POSTGRES = frozenset({"postgresql", "postgres"})


class OpenStore(TokenStore, Protocol):
    """A store with `aclose`; closing does nothing where nothing stays open."""

    async def aclose(self) -> None:
        """Close all connections that this store opened."""
        ...

    async def __aenter__(self) -> Self:
        """Return the store."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close the store."""
        ...


def open_store(url: str, *, codec: Codec = _JSON) -> OpenStore:
    """Return the store for *url*; it opens nothing before its first use.

    Known URLs: `file:///path/tokens.json`, `file:app-name`, `sqlite:///path/tokens.db`, `redis://`, `rediss://`,
    `unix://` (or `valkey://`, `valkeys://`), `postgresql://` and `keyring://service`. Paths are absolute and may have
    percent escapes. For further arguments, create the store by its class.

    Raises:
        ConfigurationError: The URL is invalid or names no known store, or the store's library is not installed; the
            message shows only the URL's scheme, because the rest may hold a password.
    """
    check("open_store()", url, "partition", example="a URL as text (for a path, use FileStore)")
    scheme = url.partition(":")[0].lower() if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", url) else ""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or not scheme:
        msg = f"This is not the URL of a store. Use one of these: {_KNOWN_URLS}."
        raise ConfigurationError(msg)
    if scheme == "file":
        return _file(parts, codec)
    if scheme == "sqlite":
        return _create("sqlite", "SQLiteStore", "sqlite", _path(parts), codec)
    if scheme in _REDIS:
        url = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme) + url[len(scheme) :]
        return _create("redis", "RedisStore", "redis", url, codec)
    if scheme in _POSTGRES:
        return _create("postgres", "PostgresStore", "postgres", url, codec)
    if scheme == "keyring":
        return _create("keyring", "KeyringStore", "keyring", _service(parts), codec)
    msg = f"There is no store for {scheme}: URLs. Use one of these: {_KNOWN_URLS}."
    raise ConfigurationError(msg)


def store_from_env(environ: Mapping[str, str] = os.environ, *, codec: Codec = _JSON) -> OpenStore:
    """Return the store whose URL is in `BITBUCKET_AUTH_STORE`, or in the file that `BITBUCKET_AUTH_STORE_FILE` names.

    Raises:
        ConfigurationError: The variable is not set, or does not hold the URL of a store.
    """
    url = setting(environ, VARIABLE)
    if url is None:
        msg = f"{VARIABLE} is not set. Set it to the URL of a store: {_KNOWN_URLS}."
        raise ConfigurationError(msg)
    return open_store(url, codec=codec)


def _create(module: str, name: str, extra: str, argument: str, codec: Codec) -> OpenStore:
    """Import the store's module, which imports its library, and create the store."""
    try:
        imported: Any = import_module(f"bitbucket_auth_async.stores.{module}")
    except ModuleNotFoundError as error:
        msg = f"{name} needs the library {error.name}. Install it: pip install 'bitbucket-auth-async[{extra}]'."
        raise ConfigurationError(msg) from error
    store: OpenStore = getattr(imported, name)(argument, codec=codec)
    return store


def _file(parts: SplitResult, codec: Codec) -> OpenStore:
    from bitbucket_auth_async.stores.file import FileStore  # noqa: PLC0415  - it imports other libraries

    if parts.path.startswith("/"):
        return FileStore(_path(parts), codec=codec)
    return FileStore(app_name=unquote(parts.path), codec=codec)


def _path(parts: SplitResult) -> str:
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/") or parts.query or parts.fragment:
        msg = f"{parts.scheme}: URLs take an absolute path after two slashes: {parts.scheme}:///path."
        raise ConfigurationError(msg)
    return "/" + unquote(parts.path).lstrip("/")


def _service(parts: SplitResult) -> str:
    service = unquote(parts.netloc + parts.path)
    if not service or parts.query or parts.fragment:
        msg = "keyring: URLs take the name of a service after two slashes: keyring://my-app."
        raise ConfigurationError(msg)
    return service
