"""authenticated_client and BearerAuth: the token on requests made with httpx2."""

from collections.abc import Iterable
from typing import Any, ClassVar

from bitbucket_auth_async.bearer._httpx_family import BearerFlow, Kept, with_hop_hook
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
    """Return an httpx2.AsyncClient whose requests carry the source's token; close it as any other.

    Args:
        source: A TokenManager, or anything else that has a token to give.
        origins: Who may get the token, as in BearerAuth.
        client: Whatever `httpx2.AsyncClient` takes, but for `auth`.
    """
    bearer = BearerAuth(source, origins=origins)
    hooks = with_hop_hook(bearer, client.pop("event_hooks", None))
    return httpx2.AsyncClient(auth=bearer, event_hooks=hooks, **client)


class _Kept(Kept, httpx2.AsyncByteStream):
    """What httpx2 takes for a stream."""


class BearerAuth(BearerFlow, httpx2.Auth):
    """Puts the token on each request to an allowed origin, and repeats once what a dead token had refused.

    Give it as `auth=` to an `httpx2.AsyncClient`, or to a single request; `auth=None` leaves the bearer out of one. The
    token goes to no other origin, nor along a redirect that left the allowed ones, even if it comes back. Between two
    origins that are both allowed a redirect keeps it in a client of `authenticated_client`; elsewhere httpx2 takes it
    off. Once the answer is here it is off every request. A request that has an Authorization header is left as it is.

    A 401 is given to the caller only if there is no other token to be had, if the other one was refused too, or if the
    body can't be sent again: generators, and files that can't be rewound. After a redirect the refused hop alone is
    repeated. Errors of the source are raised as they are.

    Args:
        source: A TokenManager, or anything else that has a token to give.
        origins: Who may get the token, such as `https://api.bitbucket.org`; plain http on loopback addresses alone.
            Left out, it is what the source's server names as `api_origins`, or Bitbucket Cloud's.

    Raises:
        ConfigurationError: The source has no token to give, or an origin is neither https nor loopback; or, as a
            request is sent, a blocking Client.
    """

    _bytes: ClassVar = httpx2.ByteStream
    _kept: ClassVar = _Kept
    _too_long: ClassVar = httpx2.ReadError
