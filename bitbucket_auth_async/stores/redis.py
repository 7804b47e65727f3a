"""RedisStore: records in Redis or Valkey, one hash for each, shared by all hosts."""

import asyncio
import hashlib
import re
import ssl
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from bitbucket_auth_async.codecs.json import JsonCodec, codec_of
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.stores._json_document import check_key
from bitbucket_auth_async.stores._server_address import named, unreached
from bitbucket_auth_async.telemetry.events import Event, EventKind, Listener, emit

with extra("redis"):
    import redis.exceptions as errors
    from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff

_LARGEST_VERSION = 2**63 - 1
_CONNECTIONS = 16
_LOOK = 1.0
"""Seconds that it may take to ask what the server is like; of a Cluster every node is asked, a dead one too."""
_T = TypeVar("_T")
_JSON = JsonCodec()
_Pool = cast("Any", BlockingConnectionPool)  # as it is typed, what from_url takes is unknown

# A version of our own in its place means that we were here before, and that only the answer was lost.
_SWAP = """
local there = redis.call('HGET', KEYS[1], 'version') or '0'
if there ~= ARGV[1] and there ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3])
return 1
"""
_SWAP_SHA = hashlib.sha1(_SWAP.encode("ascii"), usedforsecurity=False).hexdigest()

Client = Redis | RedisCluster
"""A client of redis.asyncio that the program has already."""


class RedisStore:
    """Keeps each record in a hash of its own (fields `version` and `record`), without an expiry.

    A swap is one Lua script on one key, so it is atomic, and on a Cluster it needs one slot. It is as durable as the
    server: with `appendonly yes` and `appendfsync always` what was confirmed stays; with the usual `everysec` a crash
    may forget a second, without `appendonly` all since the last snapshot. A replica that is promoted may not have the
    last swaps, since Redis copies asynchronously. The store warns, once, of a server that forgets or evicts.

    Use it as an asynchronous context manager, or call `aclose` at the end; a client that was given stays open.

    Args:
        client: A URL (`redis://`, `rediss://` for TLS, `unix://`, as redis-py has them), or a client of redis-py:
            Redis, what `Sentinel.master_for` gives, or RedisCluster (which must not read from replicas).
        prefix: What the names of our hashes begin with.
        codec: What makes bytes of a record; one that encrypts keeps secrets from whoever can read the server.
        timeout: Seconds that one call may take, with a second try on another connection.
        on_event: Called with the event of that warning; logging tells the same.

    Raises:
        ConfigurationError: The URL is none that redis-py takes, or *codec* is none.
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
        self._given: Client | None = None
        self._server = "Redis"
        if isinstance(client, str):
            url = client
            _check_url(url)
            self._server = named("Redis", url)
            self._clients = PerLoop("RedisStore", lambda: _opened(url, timeout), lambda opened: opened.aclose())
        else:
            self._given = client
        self._prefix = prefix
        self._codec = codec_of(codec)
        self._timeout = timeout
        self._listener = on_event
        self._looked = False

    def __repr__(self) -> str:
        """Show the prefix; the address may hold a password."""
        return f"RedisStore(prefix={self._prefix!r})"

    async def load(self, key: str, /) -> Versioned | None:
        """Return what is stored under *key*; None means that nothing is.

        Raises:
            StoreError: The server could not be asked.
            RecordError: What is there is none of ours, or is damaged; it is left as it is.
        """
        fields = await self._run(self._read(self._name(key)), key, "read")
        version, data = fields
        if version is None and data is None:
            return None
        number = int(version) if version is not None and re.fullmatch(rb"[1-9][0-9]{0,18}", version) else 0
        if data is None or not 0 < number <= _LARGEST_VERSION:
            msg = f"The hash of {key!r} has no good version or no record; it is left as it is."
            raise RecordError(msg)
        return Versioned(self._codec.decode(key, data), number)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Put *record* in the place of version *expected*; return its new version, or 0 if someone was first.

        Raises:
            StoreError: The server could not be asked, or did not answer: then it may have been written.
            RecordError: What is there is none of ours; it is left as it is.
        """
        name, data, version = self._name(key), self._codec.encode(key, record), new_version()
        words = (1, name, str(expected), str(version), data)
        won = await self._run(self._write(words), key, "written")
        return version if won else 0

    async def keys(self) -> list[str]:
        """Return the names of all that is stored under this prefix, of a Cluster too.

        Raises:
            StoreError: The server could not be asked.
        """
        return sorted(await self._run(self._scan(), "", "listed"))

    async def aclose(self) -> None:
        """Close what this store opened itself."""
        if self._clients is not None:
            await self._clients.aclose()

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()

    def _client(self) -> Any:  # noqa: ANN401  - redis-py leaves half of its types unknown
        return self._given if self._clients is None else self._clients.get()

    def _name(self, key: str) -> bytes:
        check_key(key)
        return f"{self._prefix}{key}".encode()

    async def _run(self, work: Coroutine[Any, Any, _T], key: str, doing: str) -> _T:
        """Bound what is done, and say what went wrong in our words: the server's may quote a record."""
        try:
            async with asyncio.timeout(self._timeout):
                result = await work
        except TimeoutError:
            problem: BitbucketAuthError = StoreError(f"{self._server} did not answer within {self._timeout:g} s.")
        except (errors.RedisError, OSError) as error:
            problem = _problem(error, doing, self._server)
        else:
            await self._look_once(key)
            return result
        raise problem  # out here, or what was caught would stay attached

    async def _read(self, name: bytes) -> list[bytes | None]:
        return cast("list[bytes | None]", await _command(self._client(), "HMGET", name, "version", "record"))

    async def _write(self, words: tuple[bytes | str | int, ...]) -> bool:
        client = self._client()
        try:
            return bool(await _command(client, "EVALSHA", _SWAP_SHA, *words))
        except errors.NoScriptError:  # the first time, or the server was restarted
            return bool(await _command(client, "EVAL", _SWAP, *words))

    async def _scan(self) -> set[str]:
        prefix = self._prefix.encode("utf-8")
        pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", prefix) + b"*"
        found: set[str] = set()
        async for name in self._client().scan_iter(match=pattern, count=1000):
            text = name if isinstance(name, bytes) else cast("str", name).encode("utf-8")
            found.add(text.removeprefix(prefix).decode("utf-8"))
        return found

    async def _look_once(self, key: str) -> None:
        """Warn of a server that forgets or evicts, once, as far as it lets itself be asked."""
        if self._looked:
            return
        self._looked = True
        try:
            async with asyncio.timeout(min(_LOOK, self._timeout)):
                info = await self._client().info()
        except (errors.RedisError, OSError):  # a TimeoutError is an OSError
            return  # no permission, or a proxy that has no INFO: what was asked for is done all the same
        if danger := _danger(info):
            emit(Event(kind=EventKind.NOT_DURABLE, key=key, detail=danger), self._listener)


class _RefusedError(Exception):
    """Carries a refusal past redis-py's retries."""

    def __init__(self, error: errors.AuthenticationError) -> None:
        super().__init__()
        self.error = error


class _Retry(Retry):
    """Tries lost connections again, and no password that was refused, which redis-py counts among them.

    A connection to a master that was made a replica is lost too: the address may lead to another master by now.
    """

    async def call_with_retry(self, do: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401  - more in each redis-py
        async def once() -> Any:  # noqa: ANN401  - whatever was asked for
            try:
                return await do()
            except errors.AuthenticationError as error:
                raise _RefusedError(error) from None
            except errors.ResponseError as error:
                if isinstance(error, errors.ReadOnlyError) or "-READONLY " not in str(error):
                    raise
                reason = str(error)
            raise errors.ReadOnlyError(reason)  # before Redis 7 it was only told in the text of the script's error

        try:
            return await super().call_with_retry(once, *rest, **more)
        except _RefusedError as refused:
            error = refused.error
        raise error  # out here, or each would be the other's context


def _check_url(url: str) -> None:
    try:
        _Pool.from_url(url)
    except (ValueError, TypeError):
        pass
    else:
        return
    msg = "This URL is none that redis-py takes: redis://[user:password@]host:port/db, rediss://… or unix://…"
    raise ConfigurationError(msg)


def _opened(url: str, timeout: float) -> Redis:
    # Before redis-py 6 the name in a certificate was not looked at; the URL may still say ssl_check_hostname=false.
    tls = {"ssl_check_hostname": True} if url.lower().startswith("rediss:") else {}
    pool = _Pool.from_url(
        url,
        **tls,
        max_connections=_CONNECTIONS,
        timeout=timeout,
        socket_timeout=timeout / 2,  # so that there is time for a second try, on a connection that works
        socket_connect_timeout=timeout / 2,
        retry=_Retry(ExponentialBackoff(cap=0.5, base=0.02), 3),
        retry_on_error=[errors.ConnectionError, errors.TimeoutError, errors.ReadOnlyError],
    )
    return Redis.from_pool(pool)


async def _command(client: Any, *words: bytes | str | int) -> Any:  # noqa: ANN401  - as the command has it
    """Send a command; its answer comes as bytes, even if the client decodes those of others."""
    return await client.execute_command(*words, NEVER_DECODE=True)


def _problem(error: Exception, doing: str, server: str) -> StoreError:
    if isinstance(error, errors.ResponseError) and "WRONGTYPE" in str(error):
        return RecordError("What stands in the place of a record is no hash of ours; it is left as it is.")
    distrusted = _distrusted(error)
    final = isinstance(error, errors.AuthenticationError | errors.NoPermissionError)
    if distrusted is not None:
        told = StoreError(
            f"The record could not be {doing}: the server's certificate does not prove who it is "
            f"({distrusted.verify_message}). Name its authority in the URL: ?ssl_ca_certs=/path/authority.pem"
        )
    elif isinstance(error, errors.ConnectionError | errors.TimeoutError | OSError) and not final:
        told = StoreError(f"The record could not be {doing}: {unreached(server, error)}")
    else:
        told = StoreError(f"The record could not be {doing}: {server} said {type(error).__name__}.")
    told.retryable = distrusted is None and not final
    return told


def _distrusted(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Find what TLS said of a certificate; redis-py hides it behind its own error."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _danger(info: Mapping[str, Any]) -> str:
    """Say in what way this server may lose a record; nothing if in none."""
    policy, dangers = str(info.get("maxmemory_policy", "")), list[str]()
    if policy.startswith("allkeys") and info.get("maxmemory"):
        dangers.append(f"it evicts records when its memory is full (maxmemory-policy {policy}; noeviction keeps them)")
    if info.get("aof_enabled") == 0:
        dangers.append("a restart forgets what came after its last snapshot (appendonly no; yes keeps it)")
    return f"This Redis may lose sign-ins: {', and '.join(dangers)}." if dangers else ""
