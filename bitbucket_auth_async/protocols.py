"""The ports: what the core needs of clock, transport, store and codec, and what a bearer adapter needs of us."""

from typing import NamedTuple, Protocol

from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.clocks import Clock, Timer

__all__ = ["Clock", "Codec", "Timer", "TokenSource", "TokenStore", "Transport", "Versioned"]


class Transport(Protocol):
    """Sends a Request and gives the whole answer."""

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - a bound, not a scope
        """Return the answer, whatever its status; never follow a redirect; read 1 MiB at most.

        What the server could act on does not leave after *timeout* seconds of boot time, even if the process was
        stopped or the machine slept meanwhile: by then another process may have sent the same.

        Raises:
            TransportError: No whole answer within *timeout* seconds; its `sent` is False only if the request surely
                did not reach the server, its `broken` is True if the connection broke after that and before *timeout*.
        """
        ...

    async def aclose(self) -> None:
        """Close what this transport opened itself; may be called twice, and on another loop than before."""
        ...


class Versioned(NamedTuple):
    """A record, and the version under which the store holds it."""

    record: Record
    version: int


class TokenStore(Protocol):
    """Keeps one record for each key, and replaces it only for who saw the last version.

    A version is unique (63 random bits, see `new_version`), so that a restored or emptied store never matches an old
    one by chance; 0 means that there is nothing.
    """

    async def load(self, key: str, /) -> Versioned | None:
        """Return what is stored under *key*; None means that nothing is, never that it could not be read.

        Raises:
            StoreError: The store could not be read (retryable), or holds what we can't read (RecordError).
        """
        ...

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Put *record* in the place of version *expected*; return its new version, or 0 if someone was first.

        Raises:
            StoreError: It could not be written; it may or may not have been.
        """
        ...


class Codec(Protocol):
    """Makes bytes of a record, and a record of bytes; bound to the key where it encrypts."""

    def encode(self, key: str, record: Record, /) -> bytes:
        """Return the record as bytes."""
        ...

    def decode(self, key: str, data: bytes, /) -> Record:
        """Return the record.

        Raises:
            RecordError: These are not the bytes of a record under this key.
        """
        ...


class TokenSource(Protocol):
    """What bearer adapters take: a TokenManager, or anything else that has a token to give."""

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        """Return a token that is good now.

        Args:
            rejected: The token that a 401 proved bad; the answer is another one, if there is another to be had.
            still_accepted: A request sent after the refused one succeeded with the same token, so look for a newer
                token but force none.
        """
        ...
