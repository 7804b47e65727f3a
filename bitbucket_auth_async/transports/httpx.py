"""HttpxTransport: sends token requests through httpx."""

from typing import ClassVar

from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.transports._httpx_family import Body, HttpxFamilyTransport

with extra("httpx"):
    import httpx


class _Body(Body, httpx.AsyncByteStream):
    """The body in the type that httpx expects."""


class HttpxTransport(HttpxFamilyTransport):
    """Sends token requests through httpx, each over a new connection.

    Requests bypass httpx's client: no redirect is followed, and no cookie, hook, `auth=` or `.netrc` is applied.

    Args:
        transport: A transport of httpx to use instead, such as your own `httpx.AsyncHTTPTransport`. It is never
            closed, may reuse its connections, and must belong to the event loop that sends.
        proxy: The URL of an HTTP proxy.
        ssl: The TLS context; by default httpx's own.
        trust_env: Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` set the proxy if *proxy* does not. Unlike in
            httpx, it is off by default.
        timeout: The longest time for any request, in seconds, even if `send` is called with more.
        connect_timeout: Seconds for each attempt to connect.
        answer_limit: The longest response that is read, in bytes.
    """

    _library: ClassVar = httpx
    _body: ClassVar = _Body
