"""Sign-in routes for aiohttp.web, and the person's TokenManager for its handlers."""

from aiohttp import web
from aiohttp.typedefs import Handler

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.web.access_log import clean_access_log
from bitbucket_auth_async.web.http_messages import BrowserRequest, BrowserResponse
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.routes import RouteFunction, Routes

_LOGIN = web.AppKey("bitbucket_auth_async_login", Login)
_BODY_LIMIT = 2**20


def add_login(app: web.Application, login: Login) -> None:
    """Add the routes of *login* to an application, and handle LoginRequiredError from any handler.

    A browser that opens a page is redirected to `/login` and returned afterwards; a script gets 401 with JSON. Codes
    and states of callbacks are redacted in aiohttp's access log.

    Args:
        app: The application, before it runs.
        login: The sign-in; the caller closes it.
    """
    routes = Routes(login)
    app[_LOGIN] = login

    @web.middleware
    async def redirect_to_login(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except LoginRequiredError:
            if request.writer.output_size > 0:
                raise  # a response has begun, and a second one would be written into it
            return _response(routes.login_required(_browser_request(request, login)))

    app.middlewares.append(redirect_to_login)
    app.router.add_get(login.paths.login, _handler(routes.login, login))
    app.router.add_get(login.paths.callback, _handler(routes.callback, login), allow_head=False)
    app.router.add_post(login.paths.logout, _handler(routes.logout, login))
    app.router.add_route("*", login.paths.resource, _handler(routes.resource, login))
    clean_access_log("aiohttp.access")


async def current_manager(request: web.Request) -> TokenManager:
    """Return the TokenManager of the person who is signed in.

    Raises:
        LoginRequiredError: This browser has no valid session. Don't catch it: `add_login` handles it.
        ConfigurationError: `add_login` was not called for this application.
    """
    login = request.config_dict.get(_LOGIN)
    if login is None:
        msg = "This application has no sign-in: call add_login(app, login) first."
        raise ConfigurationError(msg)
    return login.manager(_browser_request(request, login))


def _handler(respond: RouteFunction, login: Login) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > _BODY_LIMIT:
                raise web.HTTPRequestEntityTooLarge(max_size=_BODY_LIMIT, actual_size=len(body))
        return _response(await respond(_browser_request(request, login, bytes(body))))

    return handle


def _browser_request(request: web.Request, login: Login, body: bytes = b"") -> BrowserRequest:
    headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
    transport = request.transport
    # A pair for TCP; for a Unix socket None or a string.
    peer: tuple[str, int] | str | None = None if transport is None else transport.get_extra_info("peername")
    return BrowserRequest(
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


def _response(content: BrowserResponse) -> web.Response:
    response = web.Response(status=content.status, body=content.body)
    response.headers.extend(content.all_headers)
    return response
