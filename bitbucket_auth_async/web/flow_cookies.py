"""FlowCookies: keeps each sign-in in progress in an encrypted cookie until its callback."""

import hashlib
import secrets
from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import parse_qs

from bitbucket_auth_async.errors import CallbackError
from bitbucket_auth_async.web.cookie_cipher import CookieCipher
from bitbucket_auth_async.web.flow_store import FlowStore
from bitbucket_auth_async.web.http_messages import BrowserRequest, Cookie
from bitbucket_auth_async.web.replay_cache import ReplayCache

_LIFETIME = 600.0
_MAX_FLOWS = 8
_MAX_LENGTH = 4096
"""Characters of all flow cookies together: many servers answer 400 if a browser's cookies exceed 8 KiB."""
_RETRY = "Start the sign-in again in this browser."


class SavedFlow(NamedTuple):
    """The data of a sign-in that the callback needs."""

    state: str
    verifier: str | None
    return_to: str


class FlowCookies:
    """One cookie for each sign-in in progress, named after its `state`; valid for ten minutes and one callback.

    With a *store*, the store keeps the flow, and the cookie holds only a ticket for it.
    """

    __slots__ = ("_cipher", "_prefix", "_replays", "_secure", "_store", "_wall")

    def __init__(
        self, cipher: CookieCipher, *, prefix: str, secure: bool, store: FlowStore | None, wall: Callable[[], float]
    ) -> None:
        """Start without any callback."""
        self._cipher = cipher
        self._prefix = prefix
        self._secure = secure
        self._store = store
        self._wall = wall
        self._replays = ReplayCache()

    async def save(self, request: BrowserRequest, flow: SavedFlow) -> tuple[Cookie, ...]:
        """Return the cookie that keeps *flow*, and cookies that remove the browser's oldest ones."""
        name, until = self._name(flow.state), self._wall() + _LIFETIME
        value = self._cipher.encrypt(name, flow._asdict(), until=until)
        if self._store is not None:
            ticket = secrets.token_urlsafe(32)
            await self._store.save(ticket, value, lifetime=_LIFETIME)
            value = self._cipher.encrypt(_ticket(name), {"ticket": ticket}, until=until)
        cookie = Cookie(name=name, value=value, max_age=_LIFETIME, secure=self._secure)
        return (*self._oldest(request, cookie), cookie)

    async def take(self, request: BrowserRequest) -> SavedFlow:
        """Return the flow that a callback belongs to; each flow is returned only once.

        Raises:
            CallbackError: This browser started no such sign-in, started it over ten minutes ago, or already used it.
        """
        states = parse_qs(request.query).get("state", [])
        if len(states) != 1:
            msg = f"The callback has no state, or several. {_RETRY}"
            raise CallbackError(msg)
        name, now = self._name(states[0]), self._wall()
        value = request.cookies.get(name)
        if value is None:
            msg = f"This browser has no cookie for this callback: the sign-in began in another browser. {_RETRY}"
            raise CallbackError(msg)
        if self._store is not None:
            ticket = self._cipher.decrypt(_ticket(name), value, now=now)
            value = None if ticket is None else await self._store.take(ticket["ticket"])
        content = None if value is None else self._cipher.decrypt(name, value, now=now)
        if content is None:
            msg = f"The sign-in has expired, was already used, or has a cookie that is not ours. {_RETRY}"
            raise CallbackError(msg)
        if not self._replays.first_use(name, now=now, until=now + _LIFETIME):
            msg = f"This callback was already used. {_RETRY}"
            raise CallbackError(msg)
        return SavedFlow(**content)

    def removals(self, request: BrowserRequest) -> tuple[Cookie, ...]:
        """Return the cookies that remove a callback's flow from the browser."""
        names = {self._name(state) for state in parse_qs(request.query).get("state", [])}
        return tuple(self._removal(name) for name in names if name in request.cookies)

    def _name(self, state: str) -> str:
        return self._prefix + hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _removal(self, name: str) -> Cookie:
        return Cookie(name=name, secure=self._secure)

    def _oldest(self, request: BrowserRequest, new: Cookie) -> tuple[Cookie, ...]:
        """Remove unfinished sign-ins before they fill the browser's cookie header."""
        # Browsers send the oldest first (RFC 6265 section 5.4).
        names = [name for name in request.cookies if name.startswith(self._prefix)]
        room = _MAX_LENGTH - len(new.name) - len(new.value)
        lengths = accumulate(len(name) + len(request.cookies[name]) for name in names[:-_MAX_FLOWS:-1])
        kept = sum(length <= room for length in lengths)
        return tuple(self._removal(name) for name in names[: len(names) - kept])


def _ticket(name: str) -> str:
    return f"{name} ticket"
