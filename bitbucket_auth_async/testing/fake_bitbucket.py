"""FakeBitbucket: Bitbucket Cloud in memory, and also a Transport."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from urllib.parse import parse_qsl, urlsplit

from bitbucket_auth_async.errors import TransportError
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import scope_set
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.protocols import Clock, Timer
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.testing.fake.authorization_endpoint import AuthorizationEndpoint, DeniedError, SilentPageError
from bitbucket_auth_async.testing.fake.fault_injection import CallLater, DroppedError, Injection, apply_fault
from bitbucket_auth_async.testing.fake.faults import Fault
from bitbucket_auth_async.testing.fake.issued_tokens import Family, IssuedTokens
from bitbucket_auth_async.testing.fake.registry import Person
from bitbucket_auth_async.testing.fake.request_log import LoggedRequest, RequestInfo, RequestLog
from bitbucket_auth_async.testing.fake.rest_api import RestApi
from bitbucket_auth_async.testing.fake.server_rules import ServerRules
from bitbucket_auth_async.testing.fake.token_endpoint import TokenEndpoint, parse_token_request
from bitbucket_auth_async.testing.fake.user_tokens import UserTokens

__all__ = ["DroppedError", "FakeBitbucket", "SilentPageError"]

_MAX_RESPONSE = 1024 * 1024


class FakeBitbucket(UserTokens):
    """An authorization server and its REST API in memory.

    It behaves as Bitbucket Cloud does in late 2026; `rules` can be changed at any time. One client and one person are
    registered from the start: `client` and `person`.
    """

    def __init__(  # noqa: PLR0913  - independent options, passed by name
        self,
        clock: Clock | Callable[[], float] = time.time,
        *,
        legacy: bool = False,
        strict: bool = False,
        revoke_access_on_refresh: bool = False,
        lifetime: float | None = None,
        token_length: int | None = None,
        seed: str | None = None,
    ) -> None:
        """Start without sign-ins.

        Args:
            clock: A Clock, or a function that returns the wall time.
            legacy: Behave as before May 2026 (`scopes`, 7200 s, no rotation, implicit and password grants).
            strict: A refresh token used twice revokes its whole sign-in.
            revoke_access_on_refresh: A refresh revokes the earlier access tokens of its sign-in.
            lifetime: Seconds for which an access token is valid.
            token_length: Characters in a token.
            seed: Makes the tokens the same in each run.
        """
        check("clock", clock, example="FakeClock() or a function such as time.time")
        rules = ServerRules.of(legacy=legacy, strict=strict)
        rules.revoke_access_on_refresh = revoke_access_on_refresh
        rules.lifetime = rules.lifetime if lifetime is None else lifetime
        rules.token_length = rules.token_length if token_length is None else token_length
        self.rules = rules
        self.request_log = RequestLog()
        self._wall = clock if callable(clock) else clock.wall
        self._call_later: CallLater = _loop_call_later if callable(clock) else clock.call_later
        self._injections: list[Injection] = []
        super().__init__(IssuedTokens(rules, self._wall, secrets.token_hex(8) if seed is None else seed))
        self.rest = RestApi(rules, self._issued)
        self._tokens = TokenEndpoint(rules, self._issued, self.request_log, self)
        self.authorization = AuthorizationEndpoint(rules, self._issued, self.clients)

    # Actions of people and programs.

    def authorize(self, request: str | Mapping[str, str], person: Person | None = None, *, consent: bool = True) -> str:
        """Return where the browser goes after *person* has decided on *request*, a URL or its parameters.

        Raises:
            SilentPageError: Bitbucket shows an error page and does not redirect.
        """
        params = dict(parse_qsl(urlsplit(request).query)) if isinstance(request, str) else request
        try:
            asked = self.authorization.consent_request(params)
        except DeniedError as denied:
            return denied.location
        if not consent:
            return self.authorization.deny(asked)
        return self.authorization.approve(asked, person or self.person)

    def sign_in(
        self, person: Person | None = None, client: Client | None = None, *, scope: Iterable[str] | None = None
    ) -> Token:
        """Return the token of a person's sign-in to a client, without the steps in between."""
        registered = self.registration(client)
        wanted = registered.scope if scope is None else scope_set(scope)
        family = self._issued.new_family(registered, person or self.person, "authorization_code", wanted)
        access = self._issued.issue_access(family, wanted)
        now = self._wall()
        return Token(
            access_token=access.text,
            refresh_token=self._issued.issue_refresh(family).text,
            issued_at=now,
            expires_at=now + self.rules.lifetime,
            scope=wanted,
        )

    def token(self, request: Request) -> Response:
        """Return the response to a token request, without faults."""
        asked = parse_token_request(request)
        return self._tokens.answer(asked, self.request_log.open(asked.info, self._wall()))

    def api(
        self, method: str, path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return the response to a REST API request, without faults; *path* begins with `/2.0/`."""
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        return self.rest.answer(method, path, query or {}, lowered)

    # The Transport.

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109  - defined by the protocol
        """Return the response to a token request as a Transport does, with faults.

        Raises:
            TransportError: A fault prevents a complete response, or holds it for longer than *timeout* seconds.
        """
        await asyncio.sleep(0)
        try:
            response = await self.answer_token_request(request, limit=timeout)
        except DroppedError as dropped:
            msg = f"The fake closed the connection: {dropped.fault.name}."
            raise TransportError(msg, sent=dropped.fault.connects, broken=dropped.fault.connects) from None
        await asyncio.sleep(0)
        if len(response.body) > _MAX_RESPONSE:
            msg = "The response is longer than 1 MiB."
            raise TransportError(msg, sent=True)
        return response

    async def aclose(self) -> None:
        """Do nothing: the fake keeps its state, so that a program can be restarted."""

    async def answer_token_request(self, request: Request, *, limit: float | None = None) -> Response:
        """Return the response to a token request, with injected faults.

        Raises:
            DroppedError: A fault closes the connection.
            TransportError: The response is held for longer than *limit* seconds.
        """
        asked = parse_token_request(request)
        info = asked.info
        entry = self.request_log.open(info, self._wall())
        return await self._respond(info, partial(self._tokens.answer, asked, entry), entry=entry, limit=limit)

    async def answer_api_request(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Response:
        """Return the response to a REST API request, with injected faults; header names are in lower case.

        Raises:
            DroppedError: A fault closes the connection.
        """
        if not self._injections:
            return self.rest.answer(method, path, query, headers)
        return await self._respond(
            RequestInfo("api", method, path), partial(self.rest.answer, method, path, query, headers)
        )

    # Faults.

    def inject(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        at: str = "token",
        when: Callable[[RequestInfo], bool] | None = None,
    ) -> Injection:
        """Let *fault* hit the next *times* requests to the token endpoint, or to the API.

        Args:
            fault: From `testing.faults`.
            times: Number of requests; None for all until it is removed.
            at: `token` or `api`.
            when: Selects the requests; by default all.

        Raises:
            TypeError: *fault* is not a Fault.
            ValueError: *at* is unknown.
        """
        if not isinstance(fault, Fault):  # pyright: ignore[reportUnnecessaryIsInstance]  - not every test is type-checked
            msg = f"inject() takes a fault such as faults.status(503), not {fault!r}."
            raise TypeError(msg)
        if at not in {"token", "api"}:
            msg = f"inject() takes at='token' or at='api', not {at!r}."
            raise ValueError(msg)
        injection = Injection(fault, times=times, when=lambda info: info.at == at and (when is None or when(info)))
        self._injections.append(injection)
        return injection

    def clear_faults(self) -> None:
        """Remove all faults, and release the requests they hold."""
        injections, self._injections = self._injections, []
        for injection in injections:
            injection.remove()
            injection.release()

    async def _respond(
        self,
        info: RequestInfo,
        work: Callable[[], Response],
        *,
        entry: LoggedRequest | None = None,
        limit: float | None = None,
    ) -> Response:
        injection = next((each for each in self._injections if each.take(info)), None)
        if injection is None:
            return work()
        if entry is not None:
            entry.fault = injection.fault.name
        self._injections = [each for each in self._injections if each.left != 0]
        return await apply_fault(injection, work, self._call_later, limit)

    # Events that happen to tokens.

    def expire_access_tokens(self, *, as_expired: bool = True) -> None:
        """Invalidate all access tokens of sign-ins; the API calls them expired, or invalid without *as_expired*.

        A program gets a 401. It renews a rejected token only once the token is a minute old, so first move its
        FakeClock: `await clock.advance(61)`.
        """
        now = self._wall()
        for token in self._issued.access.values():
            token.revoked = True
            if as_expired:
                token.expires_at = min(token.expires_at, now)

    def kill_refresh_token(self, refresh_token: str) -> None:
        """Revoke one refresh token; the access tokens of its sign-in stay valid."""
        self._issued.refresh[refresh_token].revoked = True

    def revoke(self, person: Person | None = None, client: Client | None = None) -> None:
        """Revoke all sign-ins of a person to a client, as under "App authorizations"."""
        registered = self.registration(client)
        for family in self._issued.families:
            if family.client is registered and family.person is (person or self.person):
                family.revoked = True

    # State for assertions.

    @property
    def log(self) -> list[LoggedRequest]:
        """All token requests, in order of arrival."""
        return self.request_log.entries

    @property
    def token_requests(self) -> int:
        """Number of token requests, including those that hit a fault."""
        return len(self.request_log.entries)

    def spends(self, refresh_token: str) -> int:
        """How often this refresh token reached the token endpoint."""
        return self.request_log.spends[fingerprint(refresh_token)]

    @property
    def second_spends(self) -> list[LoggedRequest]:
        """Requests with a rotating refresh token that had been used before."""
        return [entry for entry in self.request_log.entries if entry.reused]

    @property
    def families(self) -> list[Family]:
        """All sign-ins, each with its tokens."""
        return self._issued.families

    def is_spendable(self, refresh_token: str) -> bool:
        """Return whether the token endpoint accepts this refresh token now."""
        token = self._issued.refresh.get(refresh_token)
        return token is not None and self._issued.is_spendable(token)


def _loop_call_later(delay: float, callback: Callable[[], object]) -> Timer:
    return asyncio.get_running_loop().call_later(delay, callback)
