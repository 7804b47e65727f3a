"""SharedResources: the client, server, store, transport, clock and listener that many identities share."""

import logging
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, TransportError
from bitbucket_auth_async.manager.defaults import DefaultTransport, default_store
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.http_messages import Request
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.renewal.record import Issuer
from bitbucket_auth_async.renewal.settle import Misconfigured, Outage, Outcome
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.clocks import within
from bitbucket_auth_async.runtime.loop_binding import LoopBinding
from bitbucket_auth_async.telemetry.events import Event, EventKind, Listener, emit, logger

if TYPE_CHECKING:
    from bitbucket_auth_async.manager.endpoint_gate import EndpointGate
    from bitbucket_auth_async.manager.scheduler import Scheduler
    from bitbucket_auth_async.oauth2.grants import Grant

_TRANSPORT_SHARE = 0.99
"""A transport gets a little less than the whole time: only the transport can tell whether the request was sent."""
_PUBLIC_PARAMETERS = ("scope", "username", "bitbucket_repository")


class SharedResources:
    """Everything a manager uses except its own token."""

    __slots__ = (
        "binding",
        "client",
        "clock",
        "durable",
        "gate",
        "grant",
        "in_outage",
        "listener",
        "owns_transport",
        "scheduler",
        "server",
        "store",
        "timing",
        "transport",
    )

    def __init__(  # noqa: PLR0913 - the arguments that a manager and a pool have in common
        self,
        client: ClientAuthentication,
        *,
        grant: "Grant | None",
        store: TokenStore | None,
        server: AuthorizationServer,
        transport: Transport | None,
        timing: Timing | None,
        on_event: Listener | None,
        clock: Clock,
    ) -> None:
        """Check the arguments, and fill in the defaults.

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
        self.client = client
        self.grant = grant
        self.server = server
        self.store = default_store() if store is None else store
        self.transport: Transport = DefaultTransport() if transport is None else transport
        self.owns_transport = transport is None
        self.clock = clock
        self.timing = Timing() if timing is None else timing
        self.listener = on_event
        self.durable = store is not None
        """True if the store survives a restart, or the warning that it does not was given."""
        self.gate: EndpointGate | None = None
        """None: each identity has the token endpoint to itself."""
        self.scheduler: Scheduler | None = None
        """None: tokens are renewed only when callers ask."""
        self.in_outage = False
        """True once the current outage of the token endpoint has been reported."""
        self.binding = LoopBinding()

    def bind_to_loop(self) -> None:
        """Bind to the running loop, unless that is done.

        Raises:
            ConfigurationError: No asyncio loop is running, another loop, thread or process uses the manager, or the
                manager is closed.
        """
        if self.binding.bind():
            if self.gate is not None:
                self.gate.bind_to_loop()
            if self.scheduler is not None:
                self.scheduler.start()

    def endpoint_slot(self, *, sign_in: bool = False) -> AbstractAsyncContextManager[None]:
        """Return a context to enter before a token request is prepared; a sign-in is tried even in an outage."""
        if self.gate is None:
            return nullcontext()
        return self.gate.enter_despite_outage() if sign_in else self.gate.enter()

    @property
    def issuer(self) -> Issuer:
        """The origin to record with a token; the grant type is empty where each sign-in has its own."""
        return Issuer(
            token_endpoint=self.server.token_endpoint,
            client_id=self.client.client_id,
            grant_type="" if self.grant is None else self.grant.grant_type,
        )

    async def request(self, grant: "Grant", *, key: str) -> Token:
        """Present *grant* at the token endpoint once, and return the token.

        Raises:
            TransportError: No complete answer came within `Timing.request`.
            BitbucketAuthError: The answer is not a token.
        """
        requested_at = self.clock.boot()
        try:
            token = await self._request(grant, key)
        except BitbucketAuthError as error:
            if self.gate is not None:
                self.gate.record_failure(error, requested_at=requested_at)
            raise
        if self.gate is not None:
            self.gate.record_answer()
        return token

    async def _request(self, grant: "Grant", key: str) -> Token:
        from bitbucket_auth_async.oauth2.token_endpoint import token_from  # noqa: PLC0415 - with the first request

        now, limit = self.clock.wall(), self.timing.request
        request = self._prepare(grant, now)
        self.tell(EventKind.REQUESTED, key, f"Sending a token request: {grant.grant_type}.")
        try:
            sending = self.transport.send(request, timeout=limit * _TRANSPORT_SHARE)
            response = await within(self.clock, limit, sending)
        except TimeoutError:
            msg = f"The token endpoint did not answer within {limit:g} s."
            raise TransportError(msg, sent=True) from None
        except BitbucketAuthError:
            raise
        except Exception as error:  # noqa: BLE001 - any error of a transport is an outage
            # The error of a foreign transport may contain the request, and so its secrets.
            msg = f"{type(self.transport).__name__} failed with {type(error).__name__}."
            raise TransportError(msg, sent=True) from None
        return token_from(response, requested_at=now, scope=grant.scope)

    def _prepare(self, grant: "Grant", now: float) -> Request:
        from bitbucket_auth_async.oauth2.token_endpoint import token_request  # noqa: PLC0415 - the same

        try:
            return token_request(self.server.token_endpoint, self.client, grant, now=now)
        except BitbucketAuthError:
            raise
        except Exception as error:  # noqa: BLE001 - a program's own client or grant may raise anything
            # The text of its error may contain a secret.
            names = f"{type(self.client).__name__} with {type(grant).__name__}"
            msg = f"{names} could not make a token request: {type(error).__name__}. Check what it reads or signs."
            raise ConfigurationError(msg) from None

    def tell(self, kind: EventKind, key: str, detail: str, *, seconds: float | None = None, error: str = "") -> None:
        """Report an event of the identity *key* to log and listener."""
        emit(Event(kind=kind, key=key, detail=detail, seconds=seconds, error=error), self.listener)

    def tell_failure(self, key: str, outcome: Outcome, error: BitbucketAuthError) -> None:
        """Report a failed token request; of an outage, that it begins or goes on."""
        if isinstance(outcome, Outage):
            self.tell(EventKind.OUTAGE_GOES_ON if self.in_outage else EventKind.OUTAGE_BEGAN, key, str(error))
            self.in_outage = True
            return
        if not isinstance(error, ConfigurationError):  # raised before anything is sent, so not an answer
            self.tell_answered(key)
        self.tell(EventKind.MISCONFIGURED if isinstance(outcome, Misconfigured) else EventKind.REFUSED, key, str(error))

    def tell_answered(self, key: str) -> None:
        """Report the end of an outage, if there was one."""
        if self.in_outage:
            self.in_outage = False
            self.tell(EventKind.OUTAGE_ENDED, key, "The token endpoint answers again.")

    def tell_wait(self, key: str, seconds: float) -> None:
        """Report how long a caller waited, unless no one listens: ten thousand may wait for one renewal."""
        if self.listener is not None or logger.isEnabledFor(logging.DEBUG):
            detail = f"A caller waited {seconds:.3f} s."
            self.tell(EventKind.CALLER_WAITED, key, detail, seconds=seconds)

    @contextmanager
    def span(self, work: str, key: str) -> Generator[None]:
        """Report the begin and the end of the block, with its duration and error."""
        began, failed = self.clock.boot(), ""
        self.tell(EventKind.BEGAN, key, work)
        try:
            yield
        except BaseException as error:
            failed = type(error).__name__
            raise
        finally:
            self.tell(EventKind.ENDED, key, work, seconds=self.clock.boot() - began, error=failed)


def default_key(server: AuthorizationServer, client: ClientAuthentication, grant: "Grant | None") -> str:
    """Return a key that no other client, and no other grant of this client, has in a store."""
    import hashlib  # noqa: PLC0415 - only managers without a key need it
    import json  # noqa: PLC0415 - the same

    parts: list[Any] = [server.token_endpoint, client.client_id]
    kind = "sign-in" if grant is None else grant.grant_type
    if grant is not None:
        parameters = grant.parameters()
        parts += [grant.grant_type, sorted(grant.scope), [parameters.get(name) for name in _PUBLIC_PARAMETERS]]
    return f"{kind}:{client.client_id}:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}"
