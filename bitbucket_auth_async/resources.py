"""What the managers of many identities can share: client, server, store, transport, clock, numbers, listener."""

import logging
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from bitbucket_auth_async.clocks import within
from bitbucket_auth_async.errors import BitbucketAuthError, TransportError
from bitbucket_auth_async.home import Home, Moved
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.grants import Grant
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.token_endpoint import token_from, token_request
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.record import Issuer
from bitbucket_auth_async.renewal import Timing
from bitbucket_auth_async.scheduler import Scheduler
from bitbucket_auth_async.telemetry.events import Event, EventKind, Listener, logger, tell
from bitbucket_auth_async.turns import Turns


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
        request = token_request(self.server.token_endpoint, self.client, grant, now=now)
        self.tell(EventKind.REQUESTED, key, f"A token request goes out: {grant.grant_type}.")
        try:
            response = await within(self.clock, limit, self.transport.send(request, timeout=limit))
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

    def tell(self, kind: EventKind, key: str, detail: str, *, seconds: float | None = None, error: str = "") -> None:
        """Tell what happened to the identity *key*."""
        tell(Event(kind=kind, key=key, detail=detail, seconds=seconds, error=error), self.listener)

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
