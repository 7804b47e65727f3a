"""TokenManager: hands out one identity's valid token and renews it when due."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.manager.identity import Identity
from bitbucket_auth_async.manager.scheduler import Scheduler
from bitbucket_auth_async.manager.shared import SharedResources, default_key
from bitbucket_auth_async.manager.snapshot import Snapshot, snapshot
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK
from bitbucket_auth_async.telemetry.events import EventKind, Listener

if TYPE_CHECKING:
    from bitbucket_auth_async.oauth2.grants import Grant


class TokenManager(Identity):
    """One identity's valid token: cached, renewed ahead of expiry, and shared through a store.

    Use it as an asynchronous context manager, or call `aclose` at the end. It belongs to one event loop at a time; for
    another thread or process make another one with the same store and key.

    Args:
        client: The OAuth consumer: a Client, or another object with a `client_id` and a `proof`.
        grant: A replayable grant (ClientCredentials, Password, JwtGrant). Leave it out for a person's token, which
            `exchange` or `adopt` brings.
        store: Where the token is kept; by default in memory, which a restart loses.
        key: The identity's name in the store; by default made of grant, client id, token endpoint and scope. Where
            several people sign in, each needs a key of their own.
        server: The authorization server; by default Bitbucket Cloud.
        transport: Sends the token requests; by default an AiohttpTransport with its own connection pool. A transport
            that you give is not closed.
        timing: The numbers of the protocol; `Timing(refresh_ahead=600)` renews ten minutes before expiry.
        keep_fresh: Renew in the background even if no one asks, so that an idle program's token is always fresh.
        on_event: Called with each Event; the log has the same.
        clock: For tests.
    """

    __slots__ = ()

    def __init__(  # noqa: PLR0913 - each has a default and goes by its name
        self,
        client: ClientAuthentication,
        *,
        grant: "Grant | None" = None,
        store: TokenStore | None = None,
        key: str | None = None,
        server: AuthorizationServer = BITBUCKET_CLOUD,
        transport: Transport | None = None,
        timing: Timing | None = None,
        keep_fresh: bool = False,
        on_event: Listener | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Touch neither network nor store yet; needs no running loop."""
        shared = SharedResources(
            client,
            grant=grant,
            store=store,
            server=server,
            transport=transport,
            timing=timing,
            on_event=on_event,
            clock=clock,
        )
        if keep_fresh:
            shared.scheduler = Scheduler(clock, self._start_due_renewal, max_running=1)
        self._set_up(shared, default_key(server, client, grant) if key is None else key)
        if keep_fresh:
            self._schedule(float("-inf"))

    @property
    def server(self) -> AuthorizationServer:
        """The authorization server, whose `api_origins` may receive the token."""
        return self._shared.server

    # Arguments that may go by position: keyword-only ones would cost each call a third of a bare coroutine.
    async def get_token(self, rejected: Token | None = None, still_accepted: bool = False) -> Token:  # noqa: FBT001, FBT002 - see above
        """Return a valid token.

        Args:
            rejected: The token that a 401 refused. The store is checked for another one, and if it has none a renewal
                is forced, unless the token is very young. If the answer is the same token, the endpoint refuses this
                kind of credential.
            still_accepted: A request sent after the refused one succeeded with the same token; no renewal is forced.

        Raises:
            LoginRequiredError: Nothing is left to renew with; the person must sign in again.
            BitbucketAuthError: Everything else; `retryable` tells whether the same call may succeed later.
        """
        boot = self._boot  # a local name is called faster than an attribute
        if rejected is None and boot() < self._stale_at:  # one C clock, one comparison: the whole hot path
            return self._token  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # set with the deadline
        return await self._get_stale_or_renewed(rejected, still_accepted=still_accepted)

    async def exchange(self, grant: "Grant") -> Token:
        """Trade a single-use grant for a token, save it as this identity's new sign-in, and return it.

        A RefreshToken is not spent at once but saved, and then renewed by the protocol, so that it can't get lost.

        Raises:
            InvalidGrantError: The code is spent, expired or not ours (RFC 6749 section 5.2).
            TransportError: No answer came; the code may be spent, so begin the login again.
            StoreError: The store can't be read; the grant was not spent.
            ConfigurationError: This manager has a grant, and with it another identity.
        """
        self._refuse_second_identity("exchange")
        example = "a grant, such as the one that request.judge(callback_url) returns"
        check("exchange()", grant, "parameters", example=example)
        from bitbucket_auth_async.oauth2.grants import RefreshToken  # noqa: PLC0415 - loaded with the first sign-in

        if isinstance(grant, RefreshToken):
            return await self.adopt(
                Token(access_token="", refresh_token=grant.refresh_token, issued_at=0.0, expires_at=0.0)
            )
        token = await self._current_tasks().run(lambda sign_ins: sign_ins.exchange(grant))
        return await self.get_token() if token is None else token

    async def adopt(self, token: Token) -> Token:
        """Save a token from elsewhere as this identity's new sign-in, and return a valid token.

        Raises:
            ConfigurationError: The token is empty or contains spaces or line breaks; or this manager has a grant, and
                with it another identity.
            LoginRequiredError: The token has expired, and the server refuses its refresh token.
        """
        self._refuse_second_identity("adopt")
        example = "a Token, such as Token.from_response(answer, requested_at=time.time())"
        check("adopt()", token, "access_token", "lifetime", example=example)
        await self._current_tasks().run(lambda sign_ins: sign_ins.adopt(token))
        return await self.get_token()

    async def logout(self) -> None:
        """Sign out: forget the token, and save a tombstone so that all managers that share the store forget it too.

        Bitbucket has no endpoint to revoke a token; the person can do that under App authorizations.

        Raises:
            StoreError: The tombstone could not be written yet. This process has forgotten the token and keeps trying.
        """
        await self._current_tasks().run(lambda sign_ins: sign_ins.logout())

    def snapshot(self) -> Snapshot:
        """Return this identity's state for a health endpoint: JSON-able, without secrets, without an await."""
        clock, failure = self._shared.clock, None if self._tasks is None else self._tasks.failure
        return snapshot(self.key, self._token, clock=clock, expires_at=self._expires_at, failure=failure)

    def tell(self, kind: EventKind, detail: str) -> None:
        """Report to log and listener what a bearer saw in an API's answer."""
        self._shared.tell(kind, self.key, detail)

    async def idle(self) -> None:
        """Return once no renewal, sign-in or sign-out is running; for programs that end right after."""
        while (tasks := self._tasks) is not None and tasks.in_running_loop() and (running := tasks.running()):
            await asyncio.wait(running)

    async def aclose(self) -> None:
        """Wait for a running renewal or save, for Timing.closing at most, and close.

        A transport that was given to this manager stays open.

        Raises:
            ConfigurationError: The manager is in use in another event loop that is still open: close it there.
        """
        shared = self._shared
        in_its_loop = shared.binding.close()
        self._stale_at = float("-inf")
        if in_its_loop:
            if shared.scheduler is not None:
                shared.scheduler.stop()
            await self._finish()
        if shared.owns_transport:
            await shared.transport.aclose()

    async def __aenter__(self) -> Self:
        """Bind to the running loop, and start background renewals with keep_fresh."""
        self._shared.bind_to_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def __repr__(self) -> str:
        """Show the identity's key and no secret."""
        return f"<TokenManager {self.key!r}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:  # noqa: ANN401 - object's own signature
        """Refuse to be copied or pickled.

        Raises:
            TypeError: Always.
        """
        msg = "A TokenManager can't be copied or pickled; make another one with the same store and key."
        raise TypeError(msg)

    def _refuse_second_identity(self, method: str) -> None:
        if self._shared.grant is not None:
            msg = (
                f"{method}() would give a manager that renews by {self._shared.grant.grant_type} a second identity. "
                "Make a manager without grant= for it, with a key of its own."
            )
            raise ConfigurationError(msg)
