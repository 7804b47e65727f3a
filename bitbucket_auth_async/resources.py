"""What the managers of many identities can share: client, server, store, transport, clock, numbers, listener."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from bitbucket_auth_async.clocks import within
from bitbucket_auth_async.errors import BitbucketAuthError, TransportError
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.grants import Grant
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.token_endpoint import token_from, token_request
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.record import Issuer
from bitbucket_auth_async.renewal import Timing
from bitbucket_auth_async.telemetry.events import Event, EventKind, Listener, logger, tell


@dataclass(frozen=True, slots=True, kw_only=True)
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
    """False: the store is the default one, in memory, which nobody asked for."""

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
