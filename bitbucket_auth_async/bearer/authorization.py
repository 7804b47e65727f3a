"""The Authorization header and the origins that may receive it: what a bearer for any HTTP library needs.

Use it to write a bearer for a library that has no adapter here.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from bitbucket_auth_async.bearer.static_credentials import BasicToken
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, origin_of
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.runtime.argument_checks import check

UNAUTHORIZED = 401
"""The HTTP status by which an API refuses a token."""

Origin = tuple[str, str | None, int | None]
"""Scheme, host in lower case without brackets, and port: as the URL classes of HTTP libraries give them."""

_DEFAULT_PORTS = {"https": 443, "http": 80}
_WEBSOCKET_SCHEMES = {"https": "wss", "http": "ws"}


def authorization_header(token: Token) -> str:
    """Return the value of the Authorization header: Bearer (RFC 6750 section 2.1), or Basic for an API token."""
    return token.authorization if isinstance(token, BasicToken) else f"Bearer {token.access_token}"


def allowed_origins(source: object, origins: Iterable[str] | None) -> frozenset[Origin]:
    """Return the origins that may receive the token: *origins*, else the source's server's, else Bitbucket Cloud's.

    An origin includes its websockets: `https` adds `wss`, and `http`, on loopback only, adds `ws`.

    Raises:
        ConfigurationError: An origin is not https, nor http on a loopback address, or contains user information.
    """
    if origins is None:
        server = getattr(source, "server", None)
        origins = (server if isinstance(server, AuthorizationServer) else BITBUCKET_CLOUD).api_origins
    allowed: set[Origin] = set()
    for origin in {origins} if isinstance(origins, str) else origins:
        parts = urlsplit(origin_of(origin, name="origins"))
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        allowed.add((parts.scheme, parts.hostname, port))
        allowed.add((_WEBSOCKET_SCHEMES[parts.scheme], parts.hostname, port))
    return frozenset(allowed)


def checked_source(source: TokenSource) -> TokenSource:
    """Return *source*.

    Raises:
        ConfigurationError: It has no `get_token` method.
    """
    example = 'a TokenManager (of a pool: pool.manager("alice")), an AccessToken or an ApiToken'
    check("source", source, "get_token", example=example)
    return source
