"""What every bearer adapter decides in the same way: who may get the token, and what a 401 says about it."""

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from bitbucket_auth_async.bearer.static_credentials import BasicToken
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, origin_of
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.telemetry.events import Event, EventKind, tell

UNAUTHORIZED = 401
"""The status by which an API says that a token is dead."""
REFUSED = "The API answered 401 to a request with the token."
"""What the event `api_refused` says."""
REPEATED = "That request is sent again with another token."
"""What the event `api_repeated` says."""
BODY_LIMIT = 2**20
"""How much of a refused answer's body is kept in memory while a renewal is waited for, in bytes."""

Origin = tuple[str, str | None, int | None]
"""Scheme, host in lower case without brackets, and port: as the addresses of HTTP libraries give them."""

_PORTS = {"https": 443, "http": 80}
_WEBSOCKETS = {"https": "wss", "http": "ws"}


def token_source(source: TokenSource) -> TokenSource:
    """Return the source of tokens that it is.

    Raises:
        ConfigurationError: It has no token to give.
    """
    example = 'a TokenManager (of a pool: pool.manager("alice")), an AccessToken or an ApiToken'
    check("source", source, "get_token", example=example)
    return source


def allowed_origins(source: object, origins: Iterable[str] | None) -> frozenset[Origin]:
    """Return who may get the bearer: what was given, else what the source's server names, else Bitbucket Cloud.

    An origin stands for its websockets too: `https` for `wss`, and `http`, on loopback alone, for `ws`.

    Raises:
        ConfigurationError: An origin is not https, nor http on a loopback address, or has user information in it.
    """
    if origins is None:
        server = getattr(source, "server", None)
        origins = (server if isinstance(server, AuthorizationServer) else BITBUCKET_CLOUD).api_origins
    given = {origins} if isinstance(origins, str) else origins
    allowed: set[Origin] = set()
    for origin in given:
        parts = urlsplit(origin_of(origin, name="origins"))
        port = parts.port or _PORTS[parts.scheme]
        allowed.add((parts.scheme, parts.hostname, port))
        allowed.add((_WEBSOCKETS[parts.scheme], parts.hostname, port))
    return frozenset(allowed)


def authorization(token: Token) -> str:
    """Return the value of the Authorization header for a token: RFC 6750 section 2.1, or Basic for an API token."""
    return token.authorization if isinstance(token, BasicToken) else f"Bearer {token.access_token}"


def teller(source: object) -> Callable[[EventKind, str], object]:
    """Return how a bearer tells what an API answered: through a manager, who knows who listens, else to the log."""
    own: Callable[[EventKind, str], object] | None = getattr(source, "tell", None)
    if own is not None:
        return own
    return lambda kind, detail: tell(Event(kind=kind, key=type(source).__name__, detail=detail), None)


class Sent:
    """Remembers, of the token last put on a request, the latest request that the server accepted with it.

    That is what tells a dead token from an endpoint that refuses this kind of credential: a request sent after the
    refused one that went well. Two numbers, one token and its header, however many requests there are.
    """

    __slots__ = ("_accepted", "_access_token", "_count", "header")

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._access_token: str = ""
        self._accepted = 0
        self._count = 0
        self.header = ""  # of the token last numbered: a long text, built once for all its requests

    def number(self, token: Token) -> int:
        """Count a request that is about to be sent with *token*, and return its number."""
        if token.access_token != self._access_token:
            self._access_token = token.access_token
            self._accepted = 0
            self.header = authorization(token)
        self._count += 1
        return self._count

    def answered(self, token: Token, number: int, status: int) -> None:
        """Note the answer to a request; only success (1xx, 2xx) shows that the token was looked at and accepted."""
        if status < 300 and number > self._accepted and token.access_token == self._access_token:  # noqa: PLR2004  - RFC 9110 section 15: below it, success
            self._accepted = number

    def still_accepted(self, token: Token, number: int) -> bool:
        """Tell whether a request sent after request *number* succeeded with the same token."""
        return self._accepted > number and token.access_token == self._access_token
