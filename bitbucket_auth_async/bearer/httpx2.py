"""authenticated_client and BearerAuth: add the token to requests made with httpx2."""

from collections.abc import Iterable
from typing import Any, ClassVar

from bitbucket_auth_async.bearer._httpx_family import BearerFlow, BufferedBody, with_hop_hook
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.runtime.extras import extra

with extra("httpx2"):
    import httpx2


def authenticated_client(
    source: TokenSource,
    *,
    origins: Iterable[str] | None = None,
    **client: Any,  # noqa: ANN401  - httpx2's own, of each release
) -> httpx2.AsyncClient:
    """Return an httpx2.AsyncClient whose requests carry the source's token; close it like any other.

    Args:
        source: A TokenManager, or another TokenSource.
        origins: The origins that may receive the token, as in BearerAuth.
        client: Arguments of `httpx2.AsyncClient`, except `auth`.
    """
    bearer = BearerAuth(source, origins=origins)
    hooks = with_hop_hook(bearer, client.pop("event_hooks", None))
    return httpx2.AsyncClient(auth=bearer, event_hooks=hooks, **client)


class _Kept(BufferedBody, httpx2.AsyncByteStream):
    """The stream in the type that httpx2 expects."""


class BearerAuth(BearerFlow, httpx2.Auth):
    """Adds the token to each request to an allowed origin, and repeats a request once after a 401.

    Pass it as `auth=` to an `httpx2.AsyncClient` or to a single request; `auth=None` sends a request without it.

    No other origin receives the token. A redirect that leaves the allowed origins loses it for good, even if it comes
    back. A redirect between two allowed origins keeps it in a client of `authenticated_client`; elsewhere httpx2
    removes it. After the response the token is removed from every request. A request with its own Authorization header
    is left unchanged.

    The caller gets the 401 only if there is no other token, if the other token is refused too, or if the body can't be
    sent again: generators, and files that can't be rewound. After a redirect only the refused hop is repeated. Errors
    of the source are raised unchanged.

    Args:
        source: A TokenManager, or another TokenSource.
        origins: The origins that may receive the token, such as `https://api.bitbucket.org`; plain http on loopback
            addresses only. By default the `api_origins` of the source's server, or those of Bitbucket Cloud.

    Raises:
        ConfigurationError: The source has no `get_token`, or an origin is neither https nor loopback; or a blocking
            Client sends a request.
    """

    _byte_stream: ClassVar = httpx2.ByteStream
    _buffered_body: ClassVar = _Kept
    _read_error: ClassVar = httpx2.ReadError
