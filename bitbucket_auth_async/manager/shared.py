"""What the managers of many identities can share: client, server, store, transport, clock, numbers, listener."""

import hashlib
import json
import logging
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, TransportError
from bitbucket_auth_async.manager.defaults import DefaultTransport, default_store
from bitbucket_auth_async.manager.endpoint_gate import Turns
from bitbucket_auth_async.manager.scheduler import Scheduler
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.grants import Grant
from bitbucket_auth_async.oauth2.http_messages import Request
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.token_endpoint import token_from, token_request
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.renewal.record import Issuer
from bitbucket_auth_async.renewal.settle import Misconfigured, Outage, Outcome
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.clocks import within
from bitbucket_auth_async.runtime.loop_binding import Home, Moved
from bitbucket_auth_async.telemetry.events import Event, EventKind, Listener, emit, logger

_SOONER = 0.99
"""A transport gets a little less time than there is: it alone can tell whether anything had left by then."""
_PUBLIC_PARAMETERS = ("scope", "username", "bitbucket_repository")


@dataclass(slots=True, kw_only=True, eq=False)
class Resources:
    """What the managers of many identities can share."""

    client: ClientAuthentication
    grant: Grant | None
    server: AuthorizationServer
    store: TokenStore
    transport: Transport
    clock: Clock
    timing: Timing
    listener: Listener | None
    durable: bool
    """Whether a restart keeps what the store has, or the warning that it does not was given."""
    owns_transport: bool = False
    turns: Turns | None = None
    """None: each identity has the token endpoint to itself."""
    scheduler: Scheduler | None = None
    """None: tokens are renewed as callers come."""
    in_outage: bool = False
    """Whether somebody was told that the token endpoint gives no usable answers."""
    home: Home = field(default_factory=Home)

    def at_home(self) -> Home:
        """Belong to the running loop, or say what is wrong.

        Raises:
            ConfigurationError: All is closed, or belongs to another loop, thread or process; or there is no asyncio.
        """
        if self.home.enter() is not Moved.NOT:
            if self.turns is not None:
                self.turns.move()
            if self.scheduler is not None:
                self.scheduler.start()
        return self.home

    def turn(self, *, sign_in: bool = False) -> AbstractAsyncContextManager[None]:
        """Return what is to be entered before a token request is prepared; a sign-in is tried even in an outage."""
        if self.turns is None:
            return nullcontext()
        return self.turns.slot() if sign_in else self.turns.take()

    @property
    def issuer(self) -> Issuer:
        """What we write as the origin of a token; the grant type is empty where each sign-in has its own."""
        return Issuer(
            token_endpoint=self.server.token_endpoint,
            client_id=self.client.client_id,
            grant_type="" if self.grant is None else self.grant.grant_type,
        )

    async def request(self, grant: Grant, *, key: str) -> Token:
        """Present *grant* at the token endpoint, once, and return the token that comes back.

        Raises:
            TransportError: No whole answer came within `Timing.request`.
            BitbucketAuthError: The answer is no token.
        """
        asked = self.clock.boot()
        try:
            token = await self._request(grant, key)
        except BitbucketAuthError as error:
            if self.turns is not None:
                self.turns.failed(error, asked=asked)
            raise
        if self.turns is not None:
            self.turns.answered()
        return token

    async def _request(self, grant: Grant, key: str) -> Token:
        now, limit = self.clock.wall(), self.timing.request
        request = self._prepared(grant, now)
        self.tell(EventKind.REQUESTED, key, f"A token request goes out: {grant.grant_type}.")
        try:
            sending = self.transport.send(request, timeout=limit * _SOONER)
            response = await within(self.clock, limit, sending)
        except TimeoutError:
            msg = f"The token endpoint did not answer within {limit:g} s."
            raise TransportError(msg, sent=True) from None
        except BitbucketAuthError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a transport raises is an outage
            # A transport of someone else's: what it raises may hold the request, and that holds secrets.
            msg = f"{type(self.transport).__name__} failed with {type(error).__name__}."
            raise TransportError(msg, sent=True) from None
        return token_from(response, requested_at=now, scope=grant.scope)

    def _prepared(self, grant: Grant, now: float) -> Request:
        try:
            return token_request(self.server.token_endpoint, self.client, grant, now=now)
        except BitbucketAuthError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a program's own client or grant raises: there is no request
            # Its text may hold what it should have proved with.
            names = f"{type(self.client).__name__} with {type(grant).__name__}"
            msg = f"{names} could not make a token request: {type(error).__name__}. Mend what it reads or signs there."
            raise ConfigurationError(msg) from None

    def tell(self, kind: EventKind, key: str, detail: str, *, seconds: float | None = None, error: str = "") -> None:
        """Tell what happened to the identity *key*."""
        emit(Event(kind=kind, key=key, detail=detail, seconds=seconds, error=error), self.listener)

    def tell_failure(self, key: str, outcome: Outcome, error: BitbucketAuthError) -> None:
        """Tell what a failed token request means; of an outage, that it begins or goes on."""
        if isinstance(outcome, Outage):
            self.tell(EventKind.OUTAGE_GOES_ON if self.in_outage else EventKind.OUTAGE_BEGAN, key, str(error))
            self.in_outage = True
            return
        if not isinstance(error, ConfigurationError):  # of which the endpoint knows nothing
            self.recovered(key)
        self.tell(EventKind.MISCONFIGURED if isinstance(outcome, Misconfigured) else EventKind.REFUSED, key, str(error))

    def recovered(self, key: str) -> None:
        """Tell that an outage has ended, if there was one."""
        if self.in_outage:
            self.in_outage = False
            self.tell(EventKind.OUTAGE_ENDED, key, "The token endpoint answers again.")

    def tell_wait(self, key: str, seconds: float) -> None:
        """Tell how long a caller waited, if there is anybody to tell: ten thousand may wait for one renewal."""
        if self.listener is not None or logger.isEnabledFor(logging.DEBUG):
            detail = f"A caller waited {seconds:.3f} s."
            self.tell(EventKind.CALLER_WAITED, key, detail, seconds=seconds)

    @contextmanager
    def told(self, work: str, key: str) -> Generator[None]:
        """Tell that *work* begins, and how it ended."""
        begun, failed = self.clock.boot(), ""
        self.tell(EventKind.BEGAN, key, work)
        try:
            yield
        except BaseException as error:
            failed = type(error).__name__
            raise
        finally:
            self.tell(EventKind.ENDED, key, work, seconds=self.clock.boot() - begun, error=failed)


def gathered(  # noqa: PLR0913 - what a manager and a pool of them take alike
    client: ClientAuthentication,
    *,
    grant: Grant | None,
    store: TokenStore | None,
    server: AuthorizationServer,
    transport: Transport | None,
    timing: Timing | None,
    on_event: Listener | None,
    clock: Clock,
) -> Resources:
    """Return what managers share, with the defaults filled in.

    Raises:
        ConfigurationError: An argument is of another kind.
    """
    check("client", client, "client_id", "proof", example='a Client("key", "secret") or client_from_env()')
    check("server", server, "token_endpoint", example="an AuthorizationServer such as BITBUCKET_CLOUD")
    check("clock", clock, "wall", "boot", example="a clock such as FakeClock()")
    if grant is not None:
        check("grant", grant, "parameters", example="a value such as ClientCredentials()")
    if store is not None:
        example = 'a store, as FileStore(app_name="my-app") or open_store("redis://…")'
        check("store", store, "load", "swap", example=example)
    if transport is not None:
        check("transport", transport, "send", example="a transport such as AiohttpTransport()")
    if timing is not None:
        check("timing", timing, "deadline", example="a Timing, such as Timing(deadline=30)")
    if on_event is not None:
        check("on_event", on_event, "__call__", example="a function of an Event")
    return Resources(
        client=client,
        grant=grant,
        server=server,
        store=default_store() if store is None else store,
        transport=DefaultTransport() if transport is None else transport,
        owns_transport=transport is None,
        clock=clock,
        timing=Timing() if timing is None else timing,
        listener=on_event,
        durable=store is not None,
    )


def default_key(server: AuthorizationServer, client: ClientAuthentication, grant: Grant | None) -> str:
    """Name an identity so that two clients, or two grants of one client, never meet in a store."""
    what: list[Any] = [server.token_endpoint, client.client_id]
    kind = "sign-in" if grant is None else grant.grant_type
    if grant is not None:
        parameters = grant.parameters()
        what += [grant.grant_type, sorted(grant.scope), [parameters.get(name) for name in _PUBLIC_PARAMETERS]]
    return f"{kind}:{client.client_id}:{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]}"
