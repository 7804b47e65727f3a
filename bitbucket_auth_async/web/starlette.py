"""The routes of a sign-in for Starlette and FastAPI, and the person's TokenManager for their handlers."""

from collections.abc import Awaitable, Callable

from bitbucket_auth_async.runtime.extras import extra

with extra("starlette"):  # before our own modules: one of them would name the extra that brings cryptography alone
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.web.access_log import clean_access_log
from bitbucket_auth_async.web.api_proxy import METHODS
from bitbucket_auth_async.web.http_messages import Answer, Incoming
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.routes import Routes

_LOGIN = "bitbucket_auth_async_login"
_BODY_LIMIT = 2**20


def add_login(app: Starlette, login: Login) -> None:
    """Give an application the routes of *login*, and let LoginRequiredError of any handler lead to them.

    A page is redirected to `/login` and comes back; a call gets a 401 with JSON. Code and state of callbacks are kept
    out of uvicorn's access log.

    Args:
        app: A Starlette or FastAPI application.
        login: The steps; closing it stays with the caller.
    """
    routes = Routes(login)
    setattr(app.state, _LOGIN, login)

    async def to_the_login(request: Request, _error: Exception) -> Response:
        return _response(routes.login_required(_incoming(request, login)))

    app.add_exception_handler(LoginRequiredError, to_the_login)
    app.router.routes[:0] = [
        Route(login.paths.login, _handler(routes.login, login), methods=["GET"]),
        Route(login.paths.callback, _handler(routes.callback, login), methods=["GET"]),
        Route(login.paths.logout, _handler(routes.logout, login), methods=["POST"]),
        Route(login.paths.resource, _handler(routes.resource, login), methods=sorted(METHODS)),
    ]
    clean_access_log("uvicorn.access")


async def current_manager(request: Request) -> TokenManager:
    """Return the TokenManager of the person whose browser this is; in FastAPI by `Depends(current_manager)`.

    Raises:
        LoginRequiredError: Nobody is signed in there; let it pass, and the person is led to the login.
        ConfigurationError: The application has no sign-in yet.
    """
    login = getattr(request.app.state, _LOGIN, None)
    if not isinstance(login, Login):
        msg = "This application has no sign-in yet: call add_login(app, login) first."
        raise ConfigurationError(msg)
    return login.manager(_incoming(request, login))


def _handler(answer: Callable[[Incoming], Awaitable[Answer]], login: Login) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _BODY_LIMIT:
                return Response(status_code=413)
        return _response(await answer(_incoming(request, login, bytes(body))))

    return handle


def _incoming(request: Request, login: Login, body: bytes = b"") -> Incoming:
    headers = {name: ",".join(request.headers.getlist(name)) for name in request.headers}
    raw_path: bytes = request.scope.get("raw_path") or request.url.path.encode()  # not every server has it
    return Incoming(
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


def _response(answer: Answer) -> Response:
    response = Response(answer.body, status_code=answer.status)
    # Starlette's own mapping keeps one value of a name; cookies are several.
    response.raw_headers.extend((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.all_headers)
    return response
