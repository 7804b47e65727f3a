"""HttpxTransport: sends a Request through httpx."""

from typing import ClassVar

from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.transports._httpx_family import Body, HttpxFamilyTransport

with extra("httpx"):
    import httpx


class _Body(Body, httpx.AsyncByteStream):
    """What httpx takes for a body."""


class HttpxTransport(HttpxFamilyTransport):
    """Sends requests to a token endpoint through httpx, each over a connection of its own.

    It sends below a client: no redirect is followed, and no cookie, hook, `auth=` or `.netrc` goes along.

    Args:
        transport: A transport of httpx to send through instead, such as your own `httpx.AsyncHTTPTransport`. It is
            never closed, keeps its connections as it likes, and must live in the loop that sends.
        proxy: The address of an HTTP proxy.
        ssl: Whom to trust; by default, whom httpx trusts.
        trust_env: Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name the proxy where *proxy* does not. Unlike in
            httpx, it is off if you don't ask for it.
        timeout: No request takes longer, in seconds, whatever `send` is asked for.
        connect_timeout: Seconds for each attempt to connect.
        answer_limit: The longest answer that is read, in bytes.
    """

    _library: ClassVar = httpx
    _body: ClassVar = _Body
