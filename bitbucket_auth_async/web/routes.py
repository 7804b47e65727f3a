"""Routes: handles `/login`, `/callback`, `/logout` and `/resource` with plain values, for any framework."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, quote

from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError, StoreError
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.web.api_proxy import READ_METHODS
from bitbucket_auth_async.web.error_page import error_page, is_for_operator, page
from bitbucket_auth_async.web.http_messages import BrowserRequest, BrowserResponse, json_response, see_other
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.safe_return_path import safe_return_path
from bitbucket_auth_async.web.same_origin import is_cross_origin, is_same_origin

_log = logging.getLogger(__name__)

RouteFunction = Callable[[BrowserRequest], Awaitable[BrowserResponse]]
"""Handles the requests to one route."""


class Routes:
    """Handles requests to the four routes of a Login."""

    __slots__ = ("_login",)

    def __init__(self, login: Login) -> None:
        """Check that *login* is one."""
        check("add_login()", login, "begin", "finish", example="the application, then a Login")
        self._login = login

    async def login(self, request: BrowserRequest) -> BrowserResponse:
        """Redirect the browser to the authorization server; `?return_to=…` is the path to return to."""
        refusal = self._wrong_origin(request)
        if refusal is not None:
            return refusal
        return_to = parse_qs(request.query).get("return_to", ["/"])[0]
        started = await self._login.begin(request, return_to)
        return see_other(started.location, *started.cookies)

    async def callback(self, request: BrowserRequest) -> BrowserResponse:
        """Finish the sign-in, or return a page that says why it failed."""
        refusal = self._wrong_origin(request)
        if refusal is not None:
            return refusal
        if request.method != "GET":  # a HEAD request must not use the callback up
            return json_response(405, {"error": "method_not_allowed"}, ("allow", "GET"))
        removed, return_to = self._login.remove_flow(request), "/"
        try:
            flow = await self._login.resume(request)
            return_to = flow.return_to
            finished = await self._login.finish(flow, request)
        except BitbucketAuthError as error:
            level = logging.ERROR if is_for_operator(error) else logging.INFO
            _log.log(level, "A sign-in failed: %s: %s", type(error).__name__, error)
            return error_page(error, login=self._login.paths.login, return_to=return_to, cookies=removed)
        return see_other(finished.return_to, *finished.cookies)

    async def logout(self, request: BrowserRequest) -> BrowserResponse:
        """Forget the person's token and remove the session cookie; only for pages of this site."""
        if not is_same_origin(request, self._login.origin):
            return json_response(403, {"error": "foreign_page"})
        try:
            manager = self._login.manager(request)
            await manager.logout()
        except StoreError as error:
            # The manager has forgotten the token and keeps trying to write that; the cookie goes in any case.
            _log.warning("A sign-out is not in the store yet; the manager tries again: %s", error)
        except BitbucketAuthError as error:
            _log.info("A sign-out found no session: %s", error)
        return see_other("/", self._login.remove_session())

    async def resource(self, request: BrowserRequest) -> BrowserResponse:
        """Return the API's response for the signed-in person to a script of this site's pages."""
        origin, reads = self._login.origin, request.method in READ_METHODS
        if is_cross_origin(request, origin) or not (reads or is_same_origin(request, origin)):
            return json_response(403, {"error": "foreign_page"})
        try:
            return await self._login.api_proxy.forward(request, self._login.manager(request))
        except LoginRequiredError:
            return self.login_required(request)

    def login_required(self, request: BrowserRequest) -> BrowserResponse:
        """Return a redirect to the login for a browser that opens a page, and 401 for a script."""
        login = self._login.paths.login
        if not request.is_page:
            return json_response(401, {"error": "login_required", "login": login})
        # The browser returns only to pages that GET can open, so not to a submitted form, nor to a path too long.
        query = f"?{request.query}" if request.query else ""
        return_to = f"{request.path}{query}" if request.method in READ_METHODS else "/"
        return_to = safe_return_path(return_to) or "/"
        return see_other(f"{login}?return_to={quote(return_to, safe='')}")

    def _wrong_origin(self, request: BrowserRequest) -> BrowserResponse | None:
        """Refuse a sign-in under another origin than the callback's, which would not receive the flow's cookie."""
        origin = self._login.origin
        if request.origin == origin:
            return None
        _log.error(
            "A sign-in began under another origin than %s, the origin of redirect_uri. If there is a reverse proxy, "
            "list it in trusted_proxies and let it set X-Forwarded-Proto and X-Forwarded-Host.",
            origin,
        )
        return page(
            421,
            "Sign in at another address",
            "<p>Sign-in only works there.</p>",
            [(origin + self._login.paths.login, origin)],
        )
