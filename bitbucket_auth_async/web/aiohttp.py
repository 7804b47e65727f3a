"""The routes of a sign-in for aiohttp.web, and the person's TokenManager for its handlers."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.web.access_log import clean_access_log
from bitbucket_auth_async.web.http_messages import Answer, Incoming
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.routes import Routes

_LOGIN = web.AppKey("bitbucket_auth_async_login", Login)
_BODY_LIMIT = 2**20


def add_login(app: web.Application, login: Login) -> None:
    """Give an application the routes of *login*, and let LoginRequiredError of any handler lead to them.

    A page is redirected to `/login` and comes back; a call gets a 401 with JSON. Code and state of callbacks are kept
    out of aiohttp's access log.

    Args:
        app: The application, before it runs.
        login: The steps; closing it stays with the caller.
    """
    routes = Routes(login)
    app[_LOGIN] = login

    @web.middleware
    async def to_the_login(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except LoginRequiredError:
            if request.writer.output_size > 0:
                raise  # an answer has begun, and a second one would be written into it
            return _response(routes.login_required(_incoming(request, login)))

    app.middlewares.append(to_the_login)
    app.router.add_get(login.paths.login, _handler(routes.login, login))
    app.router.add_get(login.paths.callback, _handler(routes.callback, login), allow_head=False)
    app.router.add_post(login.paths.logout, _handler(routes.logout, login))
    app.router.add_route("*", login.paths.resource, _handler(routes.resource, login))
    clean_access_log("aiohttp.access")


async def current_manager(request: web.Request) -> TokenManager:
    """Return the TokenManager of the person whose browser this is.

    Raises:
        LoginRequiredError: Nobody is signed in there; let it pass, and the person is led to the login.
        ConfigurationError: The application has no sign-in yet.
    """
    login = request.config_dict.get(_LOGIN)
    if login is None:
        msg = "This application has no sign-in yet: call add_login(app, login) first."
        raise ConfigurationError(msg)
    return login.manager(_incoming(request, login))


def _handler(answer: Callable[[Incoming], Awaitable[Answer]], login: Login) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > _BODY_LIMIT:
                raise web.HTTPRequestEntityTooLarge(max_size=_BODY_LIMIT, actual_size=len(body))
        return _response(await answer(_incoming(request, login, bytes(body))))

    return handle


def _incoming(request: web.Request, login: Login, body: bytes = b"") -> Incoming:
    headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
    transport = request.transport
    # A pair for TCP; a Unix socket has no address, or a text.
    peer: tuple[str, int] | str | None = None if transport is None else transport.get_extra_info("peername")
    return Incoming(
        method=request.method,
        origin=login.proxies.origin(
            scheme=request.scheme,
            host=request.host,
            peer=peer[0] if isinstance(peer, tuple) else None,
            headers=headers,
        ),
        path=request.rel_url.raw_path,
        query=request.rel_url.raw_query_string,
        headers=headers,
        cookies=request.cookies,
        body=body,
    )


def _response(answer: Answer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body)
    response.headers.extend(answer.all_headers)
    return response
