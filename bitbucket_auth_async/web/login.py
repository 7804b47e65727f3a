"""Login: the steps of a person's sign-in, from the click to a stored token, without a framework."""

import asyncio
import hashlib
import logging
import math
import secrets
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from bitbucket_auth_async.codecs.encrypted import EncryptionKey
from bitbucket_auth_async.errors import CallbackError, ConfigurationError, DeadlineError, LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.manager.token_manager_pool import TokenManagerPool
from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
from bitbucket_auth_async.oauth2.grants import AuthorizationCode
from bitbucket_auth_async.oauth2.servers import origin_of
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.web.account import Identify, account_id
from bitbucket_auth_async.web.api_proxy import Resource
from bitbucket_auth_async.web.encrypted_cookie import Seal
from bitbucket_auth_async.web.flow_store import FlowStore, Spent
from bitbucket_auth_async.web.http_messages import Cookie, Incoming
from bitbucket_auth_async.web.origin import Proxies
from bitbucket_auth_async.web.return_address import local_path

_log = logging.getLogger(__name__)

_FLOW_LIFETIME = 600.0
_FLOWS_AT_ONCE = 8
_FLOWS_LENGTH = 4096
"""Characters that they may have in all: servers answer 400 to a browser whose cookies exceed 8 KiB."""
_MONTH = 30 * 24 * 3600.0
_AGAIN = "Begin the sign-in again in this browser."


class Begun(NamedTuple):
    """A sign-in that has begun: where the browser goes, and what it keeps meanwhile."""

    location: str
    cookies: tuple[Cookie, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What was kept of a sign-in until the browser came back."""

    request: AuthorizationRequest = field(repr=False)
    return_to: str


class Finished(NamedTuple):
    """A sign-in that has come to its end: who it was, where the browser goes, and what it keeps from now on."""

    key: str
    return_to: str
    cookies: tuple[Cookie, ...]


class Paths(NamedTuple):
    """Where the routes are: the callback where `redirect_uri` says, the others beside it."""

    login: str
    callback: str
    logout: str
    resource: str


class Login:
    """Signs people in: `begin` when they click, `recall` and `finish` when they come back, `manager` from then on.

    A browser holds two kinds of cookie, both sealed, HttpOnly, SameSite=Lax and, unless all this is on a loopback
    address, Secure with the prefix `__Host-`: for ten minutes one for each sign-in that is under way (state, PKCE
    verifier, where to return to), and then the session: whose token it may use, and a nonce, new at each sign-in.

    Use it as an asynchronous context manager inside that of the pool, or call `aclose` at the end.

    Args:
        pool: Gives each person's TokenManager; its client is the one that people sign in to.
        redirect_uri: The callback's address as browsers see it; https, or http on a loopback address.
        keys: What cookies are sealed with, the newest first: `keys_from_env()`.
        scope: What to ask for; `account` lets `/2.0/user` tell who it is.
        identify: Names the person of a new token; by default the account id that Bitbucket's `/2.0/user` tells.
        flows: Keeps sign-ins that are under way; by default the browser does, sealed. With a store that all processes
            share, a callback is good once in all of them, not in each.
        trusted_proxies: Reverse proxies whose `X-Forwarded-Proto` and `X-Forwarded-Host` are believed, as addresses or
            networks; `unix` for a Unix socket.
        session_lifetime: Seconds for which a browser stays signed in, if the token lives as long.
        writes: Let pages of this site change things through `/resource`; by default they only read.

    Raises:
        ConfigurationError: `redirect_uri` can't be used, there is no key, a proxy is no address, or nobody can be asked
            who has signed in.
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
        """Touch no network yet; needs no running loop."""
        check("pool", pool, "resources", "manager", example="a TokenManagerPool")
        self._resources = shared = pool.resources
        self.origin = origin_of(redirect_uri, name="redirect_uri")
        self.paths = _paths(redirect_uri)
        self.proxies = Proxies(trusted_proxies)
        self.resource = Resource(shared.server, writes=writes)
        self._pool = pool
        self._redirect_uri = redirect_uri
        self._scope = scope
        if identify is None and not shared.server.api_origins:
            msg = "The server names no api_origins to ask who has signed in: name them, or give Login an identify=."
            raise ConfigurationError(msg)
        self._identify: Identify = partial(account_id, shared) if identify is None else identify
        self._flows = flows
        self._spent = Spent()
        self._seal = Seal(keys)
        self._wall = shared.clock.wall
        if not isinstance(session_lifetime, int | float) or not 0 < session_lifetime < math.inf:
            msg = "session_lifetime takes seconds, such as 30 * 24 * 3600."
            raise ConfigurationError(msg)
        self._session_lifetime = session_lifetime
        self._secure = self.origin.startswith("https:")
        prefix = "__Host-" if self._secure else ""
        self._session_name, self._flow_prefix = f"{prefix}bitbucket-session", f"{prefix}bitbucket-login-"
        # A key names a person of one server: what another Login of this site sealed, with the same keys, is none here.
        self._sealed_as = f"{self._session_name} {shared.server.token_endpoint} {shared.client.client_id}"
        self._request()  # says now what is wrong with scope or redirect_uri

    async def begin(self, incoming: Incoming, return_to: str = "/") -> Begun:
        """Return where to send the browser; *return_to* is where it comes back to at the end, a path of this site."""
        path = local_path(return_to)
        if path is None or path.partition("?")[0] in self.paths:
            _log.warning("A sign-in asked to return to something else than a page of this site; it will return to /.")
            path = "/"
        request = self._request()
        name, now = self._flow_name(request.state), self._wall()
        value = self._seal.seal(
            name,
            {"state": request.state, "verifier": request.code_verifier, "return_to": path},
            until=now + _FLOW_LIFETIME,
        )
        if self._flows is not None:
            ticket = secrets.token_urlsafe(32)
            await self._flows.save(ticket, value, lifetime=_FLOW_LIFETIME)
            value = self._seal.seal(_ticket(name), {"ticket": ticket}, until=now + _FLOW_LIFETIME)
        kept = self._cookie(name, value, _FLOW_LIFETIME)
        return Begun(request.url, (*self._leftover(incoming, kept), kept))

    async def recall(self, incoming: Incoming) -> Flow:
        """Return what was kept of the sign-in that a callback belongs to; it is recalled once only.

        Raises:
            CallbackError: This browser began no such sign-in, took longer than ten minutes, or was here before.
        """
        states = parse_qs(incoming.query).get("state", [])
        if len(states) != 1:
            msg = f"The callback names no state, or several. {_AGAIN}"
            raise CallbackError(msg)
        name, now = self._flow_name(states[0]), self._wall()
        value = incoming.cookies.get(name)
        if value is None:
            msg = f"This browser has no sign-in under way that the callback answers: it was begun elsewhere. {_AGAIN}"
            raise CallbackError(msg)
        if self._flows is not None:
            ticket = self._seal.open(_ticket(name), value, now=now)
            value = None if ticket is None else await self._flows.take(ticket["ticket"])
        kept = None if value is None else self._seal.open(name, value, now=now)
        if kept is None:
            msg = f"What this browser kept of its sign-in is too old, was used before, or is not ours. {_AGAIN}"
            raise CallbackError(msg)
        if not self._spent.first(name, now=now, until=now + _FLOW_LIFETIME):
            msg = f"This callback was here before. {_AGAIN}"
            raise CallbackError(msg)
        return Flow(request=self._request(kept["state"], kept["verifier"]), return_to=kept["return_to"])

    async def finish(self, flow: Flow, incoming: Incoming) -> Finished:
        """Judge the callback, trade its code for a token, learn whose it is, store it, and open a session.

        Raises:
            AccessDeniedError: The person said no.
            AuthorizationError: The server sent another error.
            CallbackError: This is not the answer to the request.
            InvalidGrantError: The code is spent, expired or not ours.
            BitbucketAuthError: Everything else; `retryable` tells whether a new sign-in may succeed.
        """
        # The path is that of the route; origin and query are what the browser had in its address.
        grant = flow.request.judge(f"{incoming.origin}{self.paths.callback}?{incoming.query}")
        token = await self._exchange(grant)
        key = await self._identify(token)
        content = {"key": key, "nonce": secrets.token_urlsafe(16)}
        value = self._seal.seal(self._sealed_as, content, until=self._wall() + self._session_lifetime)
        await self._pool.manager(key).adopt(token)
        session = self._cookie(self._session_name, value, self._session_lifetime)
        return Finished(key, flow.return_to, (session, self._cookie(self._flow_name(flow.request.state))))

    def key(self, incoming: Incoming) -> str:
        """Return the key of the person whose browser this is.

        Raises:
            LoginRequiredError: Nobody is signed in there.
        """
        value = incoming.cookies.get(self._session_name)
        content = None if value is None else self._seal.open(self._sealed_as, value, now=self._wall())
        if content is None:
            msg = "Nobody is signed in in this browser."
            raise LoginRequiredError(msg)
        key: str = content["key"]
        return key

    def manager(self, incoming: Incoming) -> TokenManager:
        """Return the TokenManager of the person whose browser this is.

        Raises:
            LoginRequiredError: Nobody is signed in there.
        """
        return self._pool.manager(self.key(incoming))

    def forget_session(self) -> Cookie:
        """Return the cookie that takes the session out of the browser."""
        return self._cookie(self._session_name)

    def forget_flow(self, incoming: Incoming) -> tuple[Cookie, ...]:
        """Return the cookie that takes the sign-in of a callback out of the browser, if it has one."""
        names = {self._flow_name(state) for state in parse_qs(incoming.query).get("state", [])}
        return tuple(self._cookie(name) for name in names if name in incoming.cookies)

    async def aclose(self) -> None:
        """Close what this Login opened; the pool is not its own."""
        await self.resource.aclose()

    async def __aenter__(self) -> Self:
        """Do nothing yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    async def _exchange(self, grant: AuthorizationCode) -> Token:
        """Trade the code in turn with all other token requests of the pool, but not for ever."""
        shared = self._resources
        shared.at_home()
        with suppress(TimeoutError):
            async with asyncio.timeout(shared.timing.deadline), shared.turn(sign_in=True):
                return await shared.request(grant, key="a sign-in")
        msg = "The token endpoint is too busy with others."
        raise DeadlineError(msg)

    def _request(self, state: str | None = None, verifier: str | None = None) -> AuthorizationRequest:
        new = AuthorizationRequest(
            server=self._resources.server,
            client=self._resources.client,
            redirect_uri=self._redirect_uri,
            scope=self._scope,
        )
        return new if state is None else replace(new, state=state, code_verifier=verifier)

    def _flow_name(self, state: str) -> str:
        return self._flow_prefix + hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _cookie(self, name: str, value: str = "", max_age: float = 0.0) -> Cookie:
        return Cookie(name=name, value=value, max_age=max_age, secure=self._secure)

    def _leftover(self, incoming: Incoming, new: Cookie) -> tuple[Cookie, ...]:
        """Take sign-ins that nobody finished out of the browser, before they fill its cookie header."""
        # Browsers send the oldest first (RFC 6265 section 5.4).
        names = [name for name in incoming.cookies if name.startswith(self._flow_prefix)]
        room = _FLOWS_LENGTH - len(new.name) - len(new.value)
        lengths = accumulate(len(name) + len(incoming.cookies[name]) for name in names[:-_FLOWS_AT_ONCE:-1])
        kept = sum(length <= room for length in lengths)
        return tuple(self._cookie(name) for name in names[: len(names) - kept])


def _ticket(name: str) -> str:
    return f"{name} ticket"


def _paths(redirect_uri: str) -> Paths:
    parts = urlsplit(redirect_uri)
    folder, _, last = parts.path.rpartition("/")
    paths = Paths(f"{folder}/login", parts.path, f"{folder}/logout", f"{folder}/resource")
    if not last or parts.query or local_path(parts.path) is None or len(set(paths)) != len(paths):
        msg = "redirect_uri: expected an address such as https://my-app.example/callback, with a plain path of its own."
        raise ConfigurationError(msg)
    return paths
