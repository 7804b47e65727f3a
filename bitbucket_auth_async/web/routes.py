"""The four routes of a sign-in, and what a handler of a page asks of it: values in, values out, for any framework."""

import logging
from urllib.parse import parse_qs, quote

from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError, StoreError
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.web.api_proxy import READING
from bitbucket_auth_async.web.error_pages import error_page, is_for_operator, page
from bitbucket_auth_async.web.http_messages import Answer, Incoming, json_answer, see_other
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.origin import is_foreign_page, is_our_page
from bitbucket_auth_async.web.return_address import local_path

_log = logging.getLogger(__name__)


class Routes:
    """Answers requests to `/login`, `/callback`, `/logout` and `/resource`."""

    __slots__ = ("_login",)

    def __init__(self, login: Login) -> None:
        """Keep the steps."""
        check("add_login()", login, "begin", "finish", example="the application, and after it a Login")
        self._login = login

    async def login(self, incoming: Incoming) -> Answer:
        """Send the browser to the authorization server, to come back to `?return_to=…`, a path of this site."""
        elsewhere = self._elsewhere(incoming)
        if elsewhere is not None:
            return elsewhere
        return_to = parse_qs(incoming.query).get("return_to", ["/"])[0]
        begun = await self._login.begin(incoming, return_to)
        return see_other(begun.location, *begun.cookies)

    async def callback(self, incoming: Incoming) -> Answer:
        """Finish the sign-in, or say on a page why that can't be."""
        elsewhere = self._elsewhere(incoming)
        if elsewhere is not None:
            return elsewhere
        if incoming.method != "GET":  # a HEAD would use it up
            return json_answer(405, {"error": "method_not_allowed"}, ("allow", "GET"))
        gone, return_to = self._login.forget_flow(incoming), "/"
        try:
            flow = await self._login.recall(incoming)
            return_to = flow.return_to
            finished = await self._login.finish(flow, incoming)
        except BitbucketAuthError as error:
            level = logging.ERROR if is_for_operator(error) else logging.INFO
            _log.log(level, "A sign-in failed: %s: %s", type(error).__name__, error)
            return error_page(error, login=self._login.paths.login, return_to=return_to, cookies=gone)
        return see_other(finished.return_to, *finished.cookies)

    async def logout(self, incoming: Incoming) -> Answer:
        """Forget the person's token and the browser's session; for a form or a script of our own pages."""
        if not is_our_page(incoming, self._login.origin):
            return json_answer(403, {"error": "foreign_page"})
        try:
            manager = self._login.manager(incoming)
            await manager.logout()
        except StoreError as error:
            # This process has forgotten it and goes on writing; the browser has nothing left in any case.
            _log.warning("A sign-out could not be written yet: %s", error)
        except BitbucketAuthError as error:
            _log.info("A sign-out found nothing to forget: %s", error)
        return see_other("/", self._login.forget_session())

    async def resource(self, incoming: Incoming) -> Answer:
        """Give a script of our own pages what the API says to the person."""
        reads = incoming.method in READING
        if is_foreign_page(incoming, self._login.origin) or not (reads or is_our_page(incoming, self._login.origin)):
            return json_answer(403, {"error": "foreign_page"})
        try:
            return await self._login.resource.fetch(incoming, self._login.manager(incoming))
        except LoginRequiredError:
            return self.login_required(incoming)

    def login_required(self, incoming: Incoming) -> Answer:
        """Return what a request gets whose person must sign in first: a page goes to the login, a call gets a 401."""
        login = self._login.paths.login
        if not incoming.is_page:
            return json_answer(401, {"error": "login_required", "login": login})
        # Only what can be asked for again is returned to; a form that was sent is not, nor what would be too long.
        query = f"?{incoming.query}" if incoming.query else ""
        return_to = f"{incoming.path}{query}" if incoming.method in READING else "/"
        return_to = local_path(return_to) or "/"
        return see_other(f"{login}?return_to={quote(return_to, safe='')}")

    def _elsewhere(self, incoming: Incoming) -> Answer | None:
        """Refuse a sign-in under another origin than the callback's: its cookie would not be there in the end."""
        ours = self._login.origin
        if incoming.origin == ours:
            return None
        _log.error(
            "A sign-in came in under another origin than %s, that of redirect_uri. If a reverse proxy stands in front, "
            "name it in trusted_proxies and let it set X-Forwarded-Proto and X-Forwarded-Host.",
            ours,
        )
        return page(
            421,
            "Sign in at another address",
            "<p>Sign-in works there only.</p>",
            [(ours + self._login.paths.login, ours)],
        )
