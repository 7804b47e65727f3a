"""RedisStore: records in Redis or Valkey, one hash each, shared by all hosts."""

import asyncio
import hashlib
import re
import ssl
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from bitbucket_auth_async.codecs.json import JsonCodec, checked_codec
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.stores._key_checks import check_key
from bitbucket_auth_async.stores._server_address import server_address, unreachable
from bitbucket_auth_async.telemetry.events import Event, EventKind, Listener, emit

with extra("redis"):
    import redis.exceptions as errors
    from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff

_LARGEST_VERSION = 2**63 - 1
_CONNECTIONS = 16
_INFO_TIMEOUT = 1.0
"""Seconds for the INFO command; in a Cluster it goes to every node, even to a dead one."""
_T = TypeVar("_T")
_JSON = JsonCodec()
_Pool = cast("Any", BlockingConnectionPool)  # untyped: its type hints leave the arguments of from_url unknown

# If our new version is already there, an earlier attempt succeeded and only its answer was lost.
_SWAP = """
local stored = redis.call('HGET', KEYS[1], 'version') or '0'
if stored ~= ARGV[1] and stored ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3])
return 1
"""
_SWAP_SHA = hashlib.sha1(_SWAP.encode("ascii"), usedforsecurity=False).hexdigest()

_REFUSALS = {
    errors.AuthenticationError: "Correct the user name and password in the URL.",
    errors.NoPermissionError: "Allow this user EVALSHA, EVAL, HMGET, HGET, HSET and SCAN on the prefix.",
}

Client = Redis | RedisCluster
"""A client of redis.asyncio that the program has created itself."""


class RedisStore:
    """Keeps each record in one hash (fields `version` and `record`), without an expiry.

    A swap is one Lua script on one key, so it is atomic, and on a Cluster it needs one slot. Durability is the
    server's: with `appendonly yes` and `appendfsync always` a confirmed swap stays. With the usual `everysec` a crash
    may lose a second, without `appendonly` all since the last snapshot. Redis replicates asynchronously, so a promoted
    replica may lack the last swaps. The store warns once if the server may lose or evict records.

    Use it as an asynchronous context manager, or call `aclose` at the end; it does not close a client of yours.

    Args:
        client: A redis-py URL (`redis://`, `rediss://` for TLS, `unix://`), or a redis-py client: Redis, also from
            `Sentinel.master_for`, or RedisCluster (which must not read from replicas).
        prefix: The prefix of the names of the hashes.
        codec: Turns records into bytes; an encrypting one hides the tokens from anyone who can read the server.
        timeout: Seconds that one call may take, including a second attempt on another connection.
        on_event: Called with the event of that warning, which is also logged.

    Raises:
        ConfigurationError: redis-py can't parse the URL, or *codec* is not a codec.
    """

    def __init__(
        self,
        client: str | Client,
        *,
        prefix: str = "bitbucket_auth_async:",
        codec: Codec = _JSON,
        timeout: float = 5.0,
        on_event: Listener | None = None,
    ) -> None:
        """Connect to nothing yet."""
        self._clients: PerLoop[Redis] | None = None
        self._users_client: Client | None = None
        self._server = "Redis"
        if isinstance(client, str):
            url = client
            _check_url(url)
            self._server = server_address("Redis", url)
            self._clients = PerLoop("RedisStore", lambda: _open_client(url, timeout), lambda client: client.aclose())
        else:
            self._users_client = client
        self._prefix = prefix
        self._codec = checked_codec(codec)
        self._timeout = timeout
        self._listener = on_event
        self._checked_durability = False

    def __repr__(self) -> str:
        """Show the prefix; the URL may hold a password."""
        return f"RedisStore(prefix={self._prefix!r})"

    async def load(self, key: str, /) -> Versioned | None:
        """Return the record under *key*, or None.

        Raises:
            StoreError: The server could not be reached.
            RecordError: The hash is not a record, or is damaged; it is left unchanged.
        """
        version, data = await self._run(self._read(self._name(key)), key, "The record could not be read")
        if version is None and data is None:
            return None
        number = int(version) if version is not None and re.fullmatch(rb"[1-9][0-9]{0,18}", version) else 0
        if data is None or not 0 < number <= _LARGEST_VERSION:
            msg = f"The hash of {key!r} has no valid version or no record; it is left unchanged. Delete it and sign in."
            raise RecordError(msg)
        return Versioned(self._codec.decode(key, data), number)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Replace version *expected* by *record*; return the new version, or 0 if another writer was first.

        Raises:
            StoreError: The server could not be reached, or did not answer; then the write may have succeeded.
            RecordError: The key holds something other than a record; it is left unchanged.
        """
        name, data, version = self._name(key), self._codec.encode(key, record), new_version()
        arguments = (1, name, str(expected), str(version), data)
        swapped = await self._run(self._run_swap(arguments), key, "The record could not be written")
        return version if swapped else 0

    async def keys(self) -> list[str]:
        """Return all keys stored under this prefix, sorted; in a Cluster, those of all nodes.

        Raises:
            StoreError: The server could not be reached.
        """
        return sorted(await self._run(self._scan(), "", "The keys could not be listed"))

    async def aclose(self) -> None:
        """Close the connections that this store opened."""
        if self._clients is not None:
            await self._clients.aclose()

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        await self.aclose()

    def _client(self) -> Any:  # noqa: ANN401  - redis-py is only partly typed
        return self._users_client if self._clients is None else self._clients.get()

    def _name(self, key: str) -> bytes:
        check_key(key)
        return f"{self._prefix}{key}".encode()

    async def _run(self, work: Coroutine[Any, Any, _T], key: str, failed: str) -> _T:
        """Limit the time of *work*, and raise errors in our own words: the server's may quote a record."""
        try:
            async with asyncio.timeout(self._timeout):
                result = await work
        except TimeoutError:
            msg = f"{self._server} did not answer within {self._timeout:g} s. Check the server, or raise timeout."
            failure: BitbucketAuthError = StoreError(msg)
        except (errors.RedisError, OSError) as error:
            failure = _store_error(error, failed, self._server)
        else:
            await self._check_durability_once(key)
            return result
        raise failure  # outside the handler, so that the caught error does not stay attached

    async def _read(self, name: bytes) -> list[bytes | None]:
        return cast("list[bytes | None]", await _command(self._client(), "HMGET", name, "version", "record"))

    async def _run_swap(self, arguments: tuple[bytes | str | int, ...]) -> bool:
        client = self._client()
        try:
            return bool(await _command(client, "EVALSHA", _SWAP_SHA, *arguments))
        except errors.NoScriptError:  # the first time, or after a restart of the server
            return bool(await _command(client, "EVAL", _SWAP, *arguments))

    async def _scan(self) -> set[str]:
        prefix = self._prefix.encode("utf-8")
        pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", prefix) + b"*"
        found: set[str] = set()
        async for name in self._client().scan_iter(match=pattern, count=1000):
            text = name if isinstance(name, bytes) else cast("str", name).encode("utf-8")
            found.add(text.removeprefix(prefix).decode("utf-8"))
        return found

    async def _check_durability_once(self, key: str) -> None:
        """Warn once if the server may lose or evict records; a server that does not answer INFO is not checked."""
        if self._checked_durability:
            return
        self._checked_durability = True
        try:
            async with asyncio.timeout(min(_INFO_TIMEOUT, self._timeout)):
                info = await self._client().info()
        except (errors.RedisError, OSError):  # a TimeoutError is an OSError
            return  # no permission, or a proxy without INFO; the call itself has succeeded
        if warning := _durability_warning(info):
            emit(Event(kind=EventKind.NOT_DURABLE, key=key, detail=warning), self._listener)


class _RefusedError(Exception):
    """Carries a refused password past redis-py's retries."""

    def __init__(self, error: errors.AuthenticationError) -> None:
        super().__init__()
        self.error = error


class _Retry(Retry):
    """Retries lost connections, but not refused passwords, which redis-py counts among them.

    A connection to a master that became a replica counts as lost too: the address may lead to another master by now.
    """

    async def call_with_retry(self, do: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401  - differs by redis-py release
        async def once() -> Any:  # noqa: ANN401  - any command's answer
            try:
                return await do()
            except errors.AuthenticationError as error:
                raise _RefusedError(error) from None
            except errors.ResponseError as error:
                if isinstance(error, errors.ReadOnlyError) or "-READONLY " not in str(error):
                    raise
                reason = str(error)
            raise errors.ReadOnlyError(reason)  # before Redis 7 only the text of the script's error says so

        try:
            return await super().call_with_retry(once, *rest, **more)
        except _RefusedError as refused:
            error = refused.error
        raise error  # outside the handler, or each would be the other's context


def _check_url(url: str) -> None:
    try:
        _Pool.from_url(url)
    except (ValueError, TypeError):
        pass
    else:
        return
    msg = "redis-py can't parse this URL. Use redis://[user:password@]host:port/db, rediss://… or unix://…"
    raise ConfigurationError(msg)


def _open_client(url: str, timeout: float) -> Redis:
    # redis-py before 6 does not check a certificate's name by default; the URL may still set ssl_check_hostname=false.
    tls = {"ssl_check_hostname": True} if url.lower().startswith("rediss:") else {}
    pool = _Pool.from_url(
        url,
        **tls,
        max_connections=_CONNECTIONS,
        timeout=timeout,
        socket_timeout=timeout / 2,  # so that there is time for a second attempt on another connection
        socket_connect_timeout=timeout / 2,
        retry=_Retry(ExponentialBackoff(cap=0.5, base=0.02), 3),
        retry_on_error=[errors.ConnectionError, errors.TimeoutError, errors.ReadOnlyError],
    )
    return Redis.from_pool(pool)


async def _command(client: Any, *arguments: bytes | str | int) -> Any:  # noqa: ANN401  - any command's answer
    """Send a command and return its answer in bytes, even if the client decodes answers."""
    return await client.execute_command(*arguments, NEVER_DECODE=True)


def _store_error(error: Exception, failed: str, server: str) -> StoreError:
    if isinstance(error, errors.ResponseError) and "WRONGTYPE" in str(error):
        return RecordError("The key holds something other than a record; it is left unchanged. Choose another prefix.")
    certificate_error = _certificate_error(error)
    refusal = next((advice for kind, advice in _REFUSALS.items() if isinstance(error, kind)), None)
    if certificate_error is not None:
        failure = StoreError(
            f"{failed}: the server's certificate can't be verified ({certificate_error.verify_message}). "
            "Name its authority in the URL: ?ssl_ca_certs=/path/authority.pem"
        )
    elif refusal is not None:
        failure = StoreError(f"{failed}: {server} said {type(error).__name__}. {refusal}")
    elif isinstance(error, errors.ConnectionError | errors.TimeoutError | OSError):
        failure = StoreError(f"{failed}: {unreachable(server, error)}")
    else:
        failure = StoreError(f"{failed}: {server} said {type(error).__name__}.")
    failure.retryable = certificate_error is None and refusal is None
    return failure


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Return the TLS error that redis-py hides behind its own, if there is one."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _durability_warning(info: Mapping[str, Any]) -> str:
    """Return how this server may lose records; empty if it does not."""
    policy, dangers = str(info.get("maxmemory_policy", "")), list[str]()
    if policy.startswith("allkeys") and info.get("maxmemory"):
        dangers.append(f"it evicts records when its memory is full (maxmemory-policy {policy}; noeviction keeps them)")
    if info.get("aof_enabled") == 0:
        dangers.append("a restart loses all changes since its last snapshot (appendonly no; yes keeps them)")
    return f"This Redis may lose sign-ins: {', and '.join(dangers)}." if dangers else ""
