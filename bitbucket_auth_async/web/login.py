"""Login: the steps of a sign-in without a framework, from the first click to a stored token."""

import asyncio
import logging
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from bitbucket_auth_async.codecs.encrypted import EncryptionKey
from bitbucket_auth_async.errors import ConfigurationError, DeadlineError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.manager.token_manager_pool import TokenManagerPool
from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
from bitbucket_auth_async.oauth2.grants import AuthorizationCode
from bitbucket_auth_async.oauth2.servers import origin_of
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.web.account_id import Identify, account_id
from bitbucket_auth_async.web.api_proxy import ApiProxy
from bitbucket_auth_async.web.cookie_cipher import CookieCipher
from bitbucket_auth_async.web.flow_cookies import FlowCookies, SavedFlow
from bitbucket_auth_async.web.flow_store import FlowStore
from bitbucket_auth_async.web.http_messages import BrowserRequest, Cookie
from bitbucket_auth_async.web.route_paths import RoutePaths
from bitbucket_auth_async.web.safe_return_path import safe_return_path
from bitbucket_auth_async.web.session_cookie import SessionCookie
from bitbucket_auth_async.web.trusted_proxies import TrustedProxies

_log = logging.getLogger(__name__)

_MONTH = 30 * 24 * 3600.0


class StartedLogin(NamedTuple):
    """Where to redirect the browser, and the cookies to set."""

    location: str
    cookies: tuple[Cookie, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A sign-in in progress: the request that the callback answers, and the page to return to."""

    request: AuthorizationRequest = field(repr=False)
    return_to: str


class FinishedLogin(NamedTuple):
    """The person's key, where to redirect the browser, and the cookies to set."""

    key: str
    return_to: str
    cookies: tuple[Cookie, ...]


class Login:
    """Signs people in: `begin` redirects to the server, `resume` and `finish` handle the callback.

    Afterwards, `manager` returns the person's TokenManager for each request. A browser holds two kinds of cookie, both
    encrypted, HttpOnly and SameSite=Lax. Except on loopback addresses they are also Secure, with the prefix `__Host-`.

    - Each sign-in in progress has a cookie for ten minutes. It holds state, PKCE verifier and return path.
    - The session cookie holds the person's key and a nonce that is new at each sign-in.

    Use it as an asynchronous context manager inside that of the pool, or call `aclose` at the end.

    Args:
        pool: Provides each person's TokenManager; people sign in to its client.
        redirect_uri: URL of the callback as browsers see it; https, or http on a loopback address.
        keys: Encrypt the cookies, newest first: `keys_from_env()`.
        scope: Scope to request; `/2.0/user` needs `account` to identify the person.
        identify: Returns the person's key for a new token; by default the account id from Bitbucket's `/2.0/user`.
        flows: Keeps sign-ins in progress; by default the browser does, in the encrypted cookie. With a store that all
            processes share, a callback is accepted once in total instead of once in each process.
        trusted_proxies: Reverse proxies whose `X-Forwarded-Proto` and `X-Forwarded-Host` are believed: addresses,
            networks, or `unix` for a Unix socket.
        session_lifetime: Seconds until a browser must sign in again, if the token lasts that long.
        writes: Let this site's pages change data through `/resource`; by default they can only read.

    Raises:
        ConfigurationError: `redirect_uri` or a proxy is invalid, there is no key, or nothing can identify people.
    """

    def __init__(  # noqa: PLR0913 - each goes by its name
        self,
        pool: TokenManagerPool,
        *,
        redirect_uri: str,
        keys: Iterable[EncryptionKey],
        scope: AbstractSet[str] = frozenset({"account"}),
        identify: Identify | None = None,
        flows: FlowStore | None = None,
        trusted_proxies: Iterable[str] = (),
        session_lifetime: float = _MONTH,
        writes: bool = False,
    ) -> None:
        """Connect to nothing yet; no running loop is needed."""
        check("pool", pool, "resources", "manager", example="a TokenManagerPool")
        self._resources = shared = pool.resources
        self.origin = origin_of(redirect_uri, name="redirect_uri")
        self.paths = RoutePaths.of(redirect_uri)
        self.proxies = TrustedProxies(trusted_proxies)
        self.api_proxy = ApiProxy(shared.server, writes=writes)
        self._pool = pool
        self._redirect_uri = redirect_uri
        self._scope = scope
        if identify is None and not shared.server.api_origins:
            msg = "The server has no api_origins that could identify people: set them, or pass identify= to Login."
            raise ConfigurationError(msg)
        self._identify: Identify = partial(account_id, shared) if identify is None else identify
        cipher, wall = CookieCipher(keys), shared.clock.wall
        secure = self.origin.startswith("https:")
        prefix = "__Host-" if secure else ""
        self._flows = FlowCookies(cipher, prefix=f"{prefix}bitbucket-login-", secure=secure, store=flows, wall=wall)
        self._session = SessionCookie(
            cipher,
            name=f"{prefix}bitbucket-session",
            # Two Logins of one site may share keys, but a person's key belongs to one server and client.
            issuer=f"{shared.server.token_endpoint} {shared.client.client_id}",
            secure=secure,
            lifetime=session_lifetime,
            wall=wall,
        )
        self._authorization_request()  # raises now if scope or redirect_uri is invalid

    async def begin(self, request: BrowserRequest, return_to: str = "/") -> StartedLogin:
        """Return where to redirect the browser; after the sign-in it goes to *return_to*, a path of this site."""
        path = safe_return_path(return_to)
        if path is None or path.partition("?")[0] in self.paths:
            _log.warning("return_to is not a page of this site: the browser will return to / after the sign-in.")
            path = "/"
        asked = self._authorization_request()
        cookies = await self._flows.save(request, SavedFlow(asked.state, asked.code_verifier, path))
        return StartedLogin(asked.url, cookies)

    async def resume(self, request: BrowserRequest) -> Flow:
        """Return the sign-in that a callback belongs to; each is returned only once.

        Raises:
            CallbackError: This browser started no such sign-in, started it over ten minutes ago, or already used it.
        """
        saved = await self._flows.take(request)
        asked = replace(self._authorization_request(), state=saved.state, code_verifier=saved.verifier)
        return Flow(request=asked, return_to=saved.return_to)

    async def finish(self, flow: Flow, request: BrowserRequest) -> FinishedLogin:
        """Validate the callback, exchange its code, identify the person, store the token and start a session.

        Raises:
            AccessDeniedError: The person declined.
            AuthorizationError: The server sent another error.
            CallbackError: The callback does not answer the request.
            InvalidGrantError: The code was used, has expired, or belongs to another client.
            BitbucketAuthError: Any other failure; `retryable` tells whether a new sign-in may succeed.
        """
        # The path is the route's: behind a proxy, only origin and query are the browser's.
        grant = flow.request.judge(f"{request.origin}{self.paths.callback}?{request.query}")
        token = await self._exchange(grant)
        key = await self._identify(token)
        session = self._session.new(key)
        await self._pool.manager(key).adopt(token)
        return FinishedLogin(key, flow.return_to, (session, *self.remove_flow(request)))

    def manager(self, request: BrowserRequest) -> TokenManager:
        """Return the TokenManager of the person who is signed in.

        Raises:
            LoginRequiredError: This browser has no valid session.
        """
        return self._pool.manager(self._session.key(request))

    def remove_session(self) -> Cookie:
        """Return the cookie that removes the session from the browser."""
        return self._session.removal()

    def remove_flow(self, request: BrowserRequest) -> tuple[Cookie, ...]:
        """Return the cookies that remove a callback's sign-in from the browser."""
        return self._flows.removals(request)

    async def aclose(self) -> None:
        """Close the API connections; the pool stays open."""
        await self.api_proxy.aclose()

    async def __aenter__(self) -> Self:
        """Return this Login."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    async def _exchange(self, grant: AuthorizationCode) -> Token:
        """Exchange the code; wait for a turn among the pool's token requests, but at most `Timing.deadline`."""
        shared = self._resources
        shared.bind_to_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(shared.timing.deadline), shared.endpoint_slot(sign_in=True):
                return await shared.request(grant, key="a sign-in")
        msg = "The token endpoint is too busy with other token requests."
        raise DeadlineError(msg)

    def _authorization_request(self) -> AuthorizationRequest:
        return AuthorizationRequest(
            server=self._resources.server,
            client=self._resources.client,
            redirect_uri=self._redirect_uri,
            scope=self._scope,
        )
