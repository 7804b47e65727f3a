"""TokenManager: hands out one identity's token, always good, and has it renewed when that is due."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, NoReturn, Self

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.cached_token import Held
from bitbucket_auth_async.manager.compact_record import Memo, folded, unfolded
from bitbucket_auth_async.manager.renewer import Need, Renewer
from bitbucket_auth_async.manager.scheduler import Scheduler
from bitbucket_auth_async.manager.shared import Resources, default_key, gathered
from bitbucket_auth_async.manager.snapshot import Snapshot, snapshot
from bitbucket_auth_async.manager.tasks import Desk, Failure, Work
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.grants import Grant, RefreshToken
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.renewal.timing import Deadlines, Timing
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, join
from bitbucket_auth_async.telemetry.events import EventKind, Listener

_LONG_AGO = float("-inf")
_LOGIN_LOOK = 60.0
"""Seconds after which a background renewal looks again whether somebody has signed in."""


class TokenManager:
    """One identity's token, always good: cached, renewed ahead of expiry, and shared through a store.

    Use it as an asynchronous context manager, or call `aclose` at the end. It belongs to one event loop at a time; for
    another thread or process make another one with the same store and key.

    Args:
        client: Who asks: a Client, or anything that can prove who it is.
        grant: A grant that can be presented again and again (ClientCredentials, Password, JwtGrant). Leave it out for
            a person's token, which `exchange` or `adopt` brings.
        store: Where the token is kept; by default in memory, which a restart loses.
        key: The identity's name in the store; by default made of grant, client id, token endpoint and scope. Where
            several people sign in, each needs a key of their own.
        server: The authorization server; by default Bitbucket Cloud.
        transport: Sends the token requests; by default an AiohttpTransport with its own connection pool. One that is
            given is not closed.
        timing: The numbers of the protocol; `Timing(refresh_ahead=600)` renews ten minutes before expiry.
        keep_fresh: Renew in the background even while nobody asks, so that an idle program's token is always fresh.
        on_event: Called with an Event whenever something happens; logging tells the same.
        clock: For tests.
    """

    __slots__ = (
        "__weakref__",
        "_boot",
        "_expires_at",
        "_memo",
        "_renew_at",
        "_shared",
        "_stale_at",
        "_token",
        "_work",
        "key",
    )

    def __init__(  # noqa: PLR0913 - each has a default and goes by its name
        self,
        client: ClientAuthentication,
        *,
        grant: Grant | None = None,
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
        shared = gathered(
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
            shared.scheduler = Scheduler(clock, self._begin_renewal, at_once=1)
        self._settle_in(shared, default_key(server, client, grant) if key is None else key)
        if keep_fresh:
            self._plan(_LONG_AGO)

    def _settle_in(self, shared: Resources, key: str) -> None:
        """Have nothing yet but a name and what is shared."""
        check("key", key, "encode", example="a text, such as str(user.id)")
        if not key:
            msg = "key is empty: all who have no name would share one sign-in. Give each one, such as str(user.id)."
            raise ConfigurationError(msg)
        self._shared = shared
        self.key = key
        self._boot = shared.clock.boot
        self._token: Token | None = None
        self._stale_at = self._renew_at = self._expires_at = _LONG_AGO
        self._memo: Memo | None = None
        """What is remembered of the record while there is no work."""
        self._work: Work | None = None

    @property
    def server(self) -> AuthorizationServer:
        """The authorization server, whose `api_origins` may receive the token."""
        return self._shared.server

    # Arguments that may go by position: keyword-only ones would cost each fresh call a third of a bare coroutine.
    async def get_token(self, rejected: Token | None = None, still_accepted: bool = False) -> Token:  # noqa: FBT001, FBT002 - see above
        """Return a token that is good now.

        Args:
            rejected: The token that a 401 proved bad: the store is looked at for another one, and only if it has none
                a renewal is forced, unless the token is very young. The answer may be the same token: then the
                endpoint refuses this kind of credential.
            still_accepted: A request sent after the refused one succeeded with the same token; no renewal is forced.

        Raises:
            LoginRequiredError: Nothing is left to renew with; the person must sign in again.
            BitbucketAuthError: Everything else; `retryable` tells whether the same call may succeed later.
        """
        boot = self._boot  # a local name is called faster than an attribute
        if rejected is None and boot() < self._stale_at:  # one C clock, one comparison: the whole hot path
            return self._token  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # set with the deadline
        return await self._slowly(rejected, still_accepted=still_accepted)

    async def exchange(self, grant: Grant) -> Token:
        """Trade a single-use grant for a token, keep it as this identity's new sign-in, and return it.

        A RefreshToken is not spent here and now, but kept and renewed by the protocol, so that it can't get lost.

        Raises:
            InvalidGrantError: The code is spent, expired or not ours (RFC 6749 section 5.2).
            TransportError: Nothing came back; the code may be spent, so begin the login again.
            StoreError: The store can't be read; nothing was spent.
            ConfigurationError: This manager has a grant of its own: that would be two identities.
        """
        self._one_identity("exchange")
        example = "a grant, such as the one that request.judge(callback_url) returns"
        check("exchange()", grant, "parameters", example=example)
        if isinstance(grant, RefreshToken):
            return await self.adopt(
                Token(access_token="", refresh_token=grant.refresh_token, issued_at=0.0, expires_at=0.0)
            )
        token = await self._errand(lambda renewer: renewer.sign_ins.exchange(grant))
        return await self.get_token() if token is None else token

    async def adopt(self, token: Token) -> Token:
        """Keep a token from elsewhere as this identity's new sign-in, and return one that is good now.

        Raises:
            ConfigurationError: This manager has a grant of its own: that would be two identities; or the token
                is empty, or has spaces or line breaks in it.
            LoginRequiredError: The token has expired, and the server refuses its refresh token.
        """
        self._one_identity("adopt")
        example = "a Token, such as Token.from_response(answer, requested_at=time.time())"
        check("adopt()", token, "access_token", "lifetime", example=example)
        await self._errand(lambda renewer: renewer.sign_ins.adopt(token))
        return await self.get_token()

    async def logout(self) -> None:
        """Sign out: forget the token, and leave a tombstone from which all that share the store learn of it.

        Bitbucket has no endpoint to revoke a token; the person can do that under App authorizations.

        Raises:
            StoreError: The tombstone could not be written yet; this process has forgotten the token all the same, and
                goes on trying.
        """
        await self._errand(lambda renewer: renewer.sign_ins.logout())

    def snapshot(self) -> Snapshot:
        """Return how this identity stands, JSON-able and without secrets, for a health endpoint; costs no await."""
        clock, failure = self._shared.clock, None if self._work is None else self._work.failure
        return snapshot(self.key, self._token, clock=clock, expires_at=self._expires_at, failure=failure)

    def tell(self, kind: EventKind, detail: str) -> None:
        """Tell the log and the listener what a bearer saw, since it alone sees what an API answers."""
        self._shared.tell(kind, self.key, detail)

    async def idle(self) -> None:
        """Return once no renewal, sign-in or sign-out is under way; for programs that end right after."""
        home = self._shared.home
        while (work := self._work) is not None and work.moves == home.moves and home.is_here():
            if not (tasks := work.under_way()):
                return
            await asyncio.wait(tasks)

    async def aclose(self) -> None:
        """Wait for a renewal or a save that is under way, for as long as Timing.closing at most, and close.

        A transport that was given to this manager stays open.

        Raises:
            ConfigurationError: The manager is in use in another event loop, which is still open: close it there.
        """
        shared = self._shared
        here = shared.home.close()
        self._stale_at = _LONG_AGO
        if here:
            if shared.scheduler is not None:
                shared.scheduler.stop()
            await self._finish()
        if shared.owns_transport:
            await shared.transport.aclose()

    async def __aenter__(self) -> Self:
        """Bind to the running loop, and begin to keep the token fresh if that is asked for."""
        self._shared.at_home()
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

    async def _slowly(self, rejected: Token | None, *, still_accepted: bool) -> Token:
        bad = None if rejected is None else rejected.access_token
        give_up_at = self._boot() + self._shared.timing.deadline
        while True:
            work = self._at_work()
            token, now = self._token, self._boot()
            if token is not None and now < self._expires_at and token.access_token != bad:
                if now >= self._stale_at:
                    work.start(Need())
                return token
            failure = work.failure
            if failure is not None and now < failure.until:
                raise failure.error.again()
            renewal = work.renewal or work.start(Need(bad, still_accepted))
            await self._wait_for(renewal.task, give_up_at - now)
            answered = renewal.need in (Need(bad), Need(bad, still_accepted))
            if answered and self._token is not None and self._boot() < self._expires_at:
                return self._token

    async def _wait_for(self, task: "asyncio.Task[None]", seconds: float) -> None:
        began = self._boot()
        try:
            await join(self._shared.clock, task, seconds)
        finally:
            self._shared.tell_wait(self.key, self._boot() - began)

    async def _errand(self, what: Callable[[Renewer], Awaitable[Held | None]]) -> Token | None:
        """Do *what* in a task that outlives a cancelled caller, in order with renewals."""
        work = self._at_work()
        return await work.errand(lambda: what(work.renewer))

    def _at_work(self) -> Work:
        """Return what does the work in the running loop, or say what is wrong.

        Raises:
            ConfigurationError: The manager is closed, or belongs to another loop, thread or process; or no asyncio.
        """
        self._shared.at_home()
        if self._work is None:
            self._work = self._new_work()
        return self._work_here(self._work)

    def _work_here(self, work: Work) -> Work:
        """Go on with what the last loop, or the process that forked, left."""
        if work.moves != self._shared.home.moves:
            self._work = work = work.moved()
        return work

    async def _finish(self) -> None:
        """Wait, with a bound, for what is under way."""
        if self._work is not None:
            await self._work_here(self._work).finish()

    def _new_work(self) -> Work:
        """Go on from what was remembered."""
        token, seen = self._token, unfolded(self._memo, self._token, self._shared.issuer)
        held = None if token is None else Held(token, Deadlines(self._renew_at, self._expires_at), self._stale_at)
        renewer = Renewer(self._shared, self.key, held=held, seen=seen)
        self._memo = None
        return Work(self._shared, self.key, renewer, Desk(self._take, self._forget, self._miss, self._ended))

    def _ended(self) -> None:
        """Rest, once there is nothing to do: a manager at rest is small."""
        work = self._work
        if work is not None and work.done:
            self._memo = folded(work.renewer.ledger.seen, self._token, self._shared.issuer)
            self._work = None

    def _take(self, held: Held) -> None:
        self._token = held.token
        self._stale_at = _LONG_AGO if self._shared.home.closed else min(held.again_at, held.deadlines.expires_at)
        self._renew_at, self._expires_at = held.deadlines
        self._plan(self._stale_at)

    def _miss(self, failure: Failure) -> None:
        self._stale_at = _LONG_AGO if self._shared.home.closed else min(failure.until, self._expires_at)
        self._plan(failure.until + (_LOGIN_LOOK if isinstance(failure.error, LoginRequiredError) else 0.0))

    def _forget(self) -> None:
        self._token = None
        self._stale_at = self._renew_at = self._expires_at = _LONG_AGO

    def _plan(self, due: float) -> None:
        """Have the scheduler look at *due*, if there is one."""
        if self._shared.scheduler is not None:
            self._shared.scheduler.at(due, self.key)

    def _begin_renewal(self, _key: str) -> "asyncio.Task[None] | None":
        """Start what is due, nobody asking; None: nothing is, because it was done meanwhile."""
        failure = None if self._work is None else self._work.failure
        if self._boot() < (self._stale_at if failure is None else max(self._stale_at, failure.until)):
            return None
        return self._at_work().start(Need()).task

    def _one_identity(self, verb: str) -> None:
        if self._shared.grant is not None:
            msg = (
                f"{verb}() would give a manager that renews by {self._shared.grant.grant_type} a second identity. "
                "Make a manager without grant= for it, with a key of its own."
            )
            raise ConfigurationError(msg)
