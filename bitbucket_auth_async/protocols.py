"""The ports: Clock, Transport, TokenStore, Codec and TokenSource."""

from typing import NamedTuple, Protocol

from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.clocks import Clock, Timer

__all__ = ["Clock", "Codec", "Timer", "TokenSource", "TokenStore", "Transport", "Versioned"]


class Transport(Protocol):
    """Sends a Request and returns the whole response."""

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - a bound, not a scope
        """Return the response with any status; never follow a redirect; read 1 MiB at most.

        Send nothing once *timeout* seconds of boot time have passed, even if the process was stopped or the machine
        slept: by then another process may have sent the same request.

        Raises:
            TransportError: No whole response came within *timeout* seconds. Its `sent` is False only if the request
                certainly did not reach the server; its `broken` is True if the connection broke later than that.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections that this transport opened; may be called twice, and in another loop."""
        ...


class Versioned(NamedTuple):
    """A record and its version in the store."""

    record: Record
    version: int


class TokenStore(Protocol):
    """Keeps one record for each key, and replaces it only if the caller saw the last version.

    A version is unique (63 random bits, see `new_version`), so that a restored or emptied store never matches an old
    version by chance; 0 means no record.
    """

    async def load(self, key: str, /) -> Versioned | None:
        """Return the record under *key*; None means that nothing is stored, never that reading failed.

        Raises:
            StoreError: The store could not be read (retryable), or holds no valid record (RecordError).
        """
        ...

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Replace version *expected* by *record*; return the new version, or 0 if another process was first.

        Raises:
            StoreError: Writing failed, or it is unknown whether it did.
        """
        ...


class Codec(Protocol):
    """Converts a record to bytes and back; an encrypting codec binds them to the key."""

    def encode(self, key: str, record: Record, /) -> bytes:
        """Return the record as bytes."""
        ...

    def decode(self, key: str, data: bytes, /) -> Record:
        """Return the record.

        Raises:
            RecordError: The bytes are not a record under this key.
        """
        ...


class TokenSource(Protocol):
    """The source of a bearer adapter's tokens: a TokenManager, or another object with this method."""

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        """Return a valid token.

        Args:
            rejected: The token that a 401 refused; the answer is another token, if another can be had.
            still_accepted: A request sent after the refused one succeeded with the same token, so a renewal is not
                forced.
        """
        ...
