"""Sign-in routes for Starlette and FastAPI, and the person's TokenManager for their handlers."""

from collections.abc import Awaitable, Callable

from bitbucket_auth_async.runtime.extras import extra

with extra("starlette"):  # before our own modules, whose error would name the extra for cryptography only
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.web.access_log import clean_access_log
from bitbucket_auth_async.web.api_proxy import ALL_METHODS
from bitbucket_auth_async.web.http_messages import BrowserRequest, BrowserResponse
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.routes import RouteFunction, Routes

_LOGIN = "bitbucket_auth_async_login"
_BODY_LIMIT = 2**20


def add_login(app: Starlette, login: Login) -> None:
    """Add the routes of *login* to an application, and handle LoginRequiredError from any handler.

    A browser that opens a page is redirected to `/login` and returned afterwards; a script gets 401 with JSON. Codes
    and states of callbacks are redacted in uvicorn's access log.

    Args:
        app: A Starlette or FastAPI application.
        login: The sign-in; the caller closes it.
    """
    routes = Routes(login)
    setattr(app.state, _LOGIN, login)

    async def redirect_to_login(request: Request, _error: Exception) -> Response:
        return _response(routes.login_required(_browser_request(request, login)))

    app.add_exception_handler(LoginRequiredError, redirect_to_login)
    app.router.routes[:0] = [
        Route(login.paths.login, _handler(routes.login, login), methods=["GET"]),
        Route(login.paths.callback, _handler(routes.callback, login), methods=["GET"]),
        Route(login.paths.logout, _handler(routes.logout, login), methods=["POST"]),
        Route(login.paths.resource, _handler(routes.resource, login), methods=sorted(ALL_METHODS)),
    ]
    clean_access_log("uvicorn.access")


async def current_manager(request: Request) -> TokenManager:
    """Return the TokenManager of the person who is signed in; in FastAPI use `Depends(current_manager)`.

    Raises:
        LoginRequiredError: This browser has no valid session. Don't catch it: `add_login` handles it.
        ConfigurationError: `add_login` was not called for this application.
    """
    login = getattr(request.app.state, _LOGIN, None)
    if not isinstance(login, Login):
        msg = "This application has no sign-in: call add_login(app, login) first."
        raise ConfigurationError(msg)
    return login.manager(_browser_request(request, login))


def _handler(respond: RouteFunction, login: Login) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _BODY_LIMIT:
                return Response(status_code=413)
        return _response(await respond(_browser_request(request, login, bytes(body))))

    return handle


def _browser_request(request: Request, login: Login, body: bytes = b"") -> BrowserRequest:
    headers = {name: ",".join(request.headers.getlist(name)) for name in request.headers}
    raw_path: bytes = request.scope.get("raw_path") or request.url.path.encode()  # not every server sets raw_path
    return BrowserRequest(
        method=request.method,
        origin=login.proxies.origin(
            scheme=request.url.scheme,
            host=request.headers.get("host", ""),
            peer=None if request.client is None else request.client.host,
            headers=headers,
        ),
        path=raw_path.decode("latin-1").partition("?")[0],
        query=request.scope["query_string"].decode("latin-1"),
        headers=headers,
        cookies=request.cookies,
        body=body,
    )


def _response(content: BrowserResponse) -> Response:
    response = Response(content.body, status_code=content.status)
    # Starlette's headers mapping keeps one value for a name, but there may be several cookies.
    raw = ((name.encode("latin-1"), value.encode("latin-1")) for name, value in content.all_headers)
    response.raw_headers.extend(raw)
    return response
