"""TokenManager: hands out one identity's token, always good, and has it renewed when that is due."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.clocks import SYSTEM_CLOCK, join, sleep, within
from bitbucket_auth_async.defaults import DefaultTransport, default_store
from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    ConfigurationError,
    LoginRequiredError,
    StoreError,
)
from bitbucket_auth_async.held import Held, jitter
from bitbucket_auth_async.home import Home, Moved
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.grants import Grant, RefreshToken
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.renewal import Timing
from bitbucket_auth_async.renewer import Need, Renewer
from bitbucket_auth_async.resources import Resources
from bitbucket_auth_async.settlement import pause
from bitbucket_auth_async.telemetry.events import EventKind, Listener

_LONG_AGO = float("-inf")
_SHARED_FOR = 1.0
_LONGEST_SLEEP = 60.0
_SHORTEST_SLEEP = 0.01
_LAST_MOMENT = 1.0
_PUBLIC_PARAMETERS = ("scope", "username", "bitbucket_repository")


class TokenManager:
    """One identity's token, always good: cached, renewed ahead of expiry, and shared through a store.

    Use it as an asynchronous context manager, or call `aclose` at the end. It belongs to one event loop; for another
    thread or process make another one with the same store and key.

    Args:
        client: Who asks: a Client, or anything that can prove who it is.
        grant: A grant that can be presented again and again (ClientCredentials, Password, JwtGrant). Leave it out for
            a person's token, which `exchange` or `adopt` brings.
        store: Where the token is kept; by default in memory, which a restart loses.
        key: The identity's name in the store; by default a hash of token endpoint, client id, grant and scope.
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
        "_closed",
        "_errands",
        "_expires_at",
        "_failure",
        "_failures",
        "_home",
        "_keeper",
        "_lock",
        "_owns_transport",
        "_renewal",
        "_renewer",
        "_saver",
        "_shared",
        "_stale_at",
        "_token",
        "keep_fresh",
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
        self._owns_transport = transport is None
        self._shared = Resources(
            client=client,
            grant=grant,
            server=server,
            store=default_store() if store is None else store,
            transport=DefaultTransport() if transport is None else transport,
            clock=clock,
            timing=Timing() if timing is None else timing,
            listener=on_event,
            durable=store is not None,
        )
        self.key = _default_key(server, client, grant) if key is None else key
        self.keep_fresh = keep_fresh
        self._boot = clock.boot
        self._token: Token | None = None
        self._stale_at = self._expires_at = _LONG_AGO
        self._failure: tuple[BitbucketAuthError, float] | None = None
        self._failures = 0
        self._closed = False
        self._errands: tuple[asyncio.Task[Token | None], ...] = ()
        self._home = Home()
        self._lock = asyncio.Lock()
        self._renewer = Renewer(self._shared, self.key)
        self._renewal: _Renewal | None = None
        self._saver: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

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
        if isinstance(grant, RefreshToken):
            return await self.adopt(
                Token(access_token="", refresh_token=grant.refresh_token, issued_at=0.0, expires_at=0.0)
            )
        token = await self._in_own_task(partial(self._renewer.exchange, grant))
        return await self.get_token() if token is None else token

    async def adopt(self, token: Token) -> Token:
        """Keep a token from elsewhere as this identity's new sign-in, and return one that is good now.

        Raises:
            ConfigurationError: This manager has a grant of its own: that would be two identities.
            LoginRequiredError: The token has expired, and the server refuses its refresh token.
        """
        self._one_identity("adopt")
        await self._in_own_task(partial(self._renewer.adopt, token))
        return await self.get_token()

    async def logout(self) -> None:
        """Sign out: forget the token, and leave a tombstone from which all that share the store learn of it.

        Bitbucket has no endpoint to revoke a token; the person can do that under App authorizations.

        Raises:
            StoreError: The tombstone could not be written yet; this process has forgotten the token all the same, and
                goes on trying.
        """
        await self._in_own_task(self._renewer.logout)

    async def idle(self) -> None:
        """Return once no renewal, sign-in or sign-out is under way; for programs that end right after."""
        while tasks := self._under_way():
            await asyncio.wait(tasks)

    async def aclose(self) -> None:
        """Wait for a renewal or a save that is under way, for as long as Timing.closing at most, and close.

        A transport that was given to this manager stays open.
        """
        if self._closed:
            return
        self._closed = True
        self._stale_at = _LONG_AGO
        if self._home.is_here():
            if self._keeper is not None:
                self._keeper.cancel()
            await self._finish()
        if self._owns_transport:
            await self._shared.transport.aclose()

    async def __aenter__(self) -> Self:
        """Bind to the running loop, and begin to keep the token fresh if that is asked for."""
        self._at_home()
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
        self._at_home()
        bad = None if rejected is None else rejected.access_token
        give_up_at = self._boot() + self._shared.timing.deadline
        while True:
            token, now = self._token, self._boot()
            if token is not None and now < self._expires_at and token.access_token != bad:
                if now >= self._stale_at:
                    self._start(Need())
                return token
            failure = self._failure
            if failure is not None and now < failure[1]:
                raise failure[0].again()
            renewal = self._renewal or self._start(Need(bad, still_accepted))
            await join(self._shared.clock, renewal.task, give_up_at - now)
            answered = renewal.need in (Need(bad), Need(bad, still_accepted))
            token, now = self._token, self._boot()
            if answered and token is not None and now < self._expires_at:
                if now >= self._stale_at:
                    self._start(Need())  # the store had a token that is good, and due
                return token

    def _start(self, need: Need) -> "_Renewal":
        """Return the renewal that runs, having started it if there was none."""
        if self._renewal is None:
            self._renewal = _Renewal(need, asyncio.create_task(self._renew(need), name=f"renewal of {self.key}"))
            self._renewal.task.add_done_callback(self._renewal_ended)
        return self._renewal

    async def _renew(self, need: Need) -> None:
        async with self._lock:
            try:
                self._publish(await self._renewer.renew(need))
            except BitbucketAuthError as error:
                self._fail(error)
                raise
            finally:
                self._save_later()

    def _publish(self, held: Held) -> None:
        self._token = held.token
        self._stale_at = _LONG_AGO if self._closed else min(held.again_at, held.deadlines.expires_at)
        self._expires_at = held.deadlines.expires_at
        self._failure = None
        self._failures = 0

    def _fail(self, error: BitbucketAuthError) -> None:
        """Share a failure with all who ask before the next attempt is due; a token that is good goes on being used."""
        before, self._failures = self._failure, self._failures + 1
        rest = self._renewer.rests_for()
        if isinstance(error, LoginRequiredError):
            rest = _SHARED_FOR
            if before is None or not isinstance(before[0], LoginRequiredError):
                self._tell(EventKind.LOGIN_REQUIRED, str(error))
            if self._renewer.signed_out:
                self._forget()
        elif isinstance(error, StoreError):
            rest = pause(self._failures, jitter=jitter())
            self._tell(EventKind.STORE_FAILED, str(error))
        elif rest <= 0:
            rest = pause(self._failures, jitter=jitter())
        until = self._boot() + rest
        self._failure = (error, until)
        self._stale_at = min(until, self._expires_at)

    def _forget(self) -> None:
        self._token = None
        self._stale_at = self._expires_at = _LONG_AGO

    def _renewal_ended(self, task: "asyncio.Task[None]") -> None:
        self._renewal = None
        _look_at(task)

    async def _in_own_task(self, work: Callable[[], Awaitable[Held | None]]) -> Token | None:
        """Do *work* in a task that outlives a cancelled caller, in order with renewals."""
        self._at_home()
        task = asyncio.create_task(self._do(work), name=f"sign-in or sign-out of {self.key}")
        self._errands = (*self._errands, task)
        task.add_done_callback(self._errand_ended)
        await join(self._shared.clock, task, self._shared.timing.deadline)
        return task.result()

    async def _do(self, work: Callable[[], Awaitable[Held | None]]) -> Token | None:
        async with self._lock:
            try:
                held = await work()
            finally:
                self._save_later()
                if self._renewer.held is None:
                    self._forget()
            if held is None:
                return None
            self._publish(held)
            return held.token

    def _errand_ended(self, task: "asyncio.Task[Token | None]") -> None:
        self._errands = tuple(errand for errand in self._errands if errand is not task)
        _look_at(task)

    def _save_later(self) -> None:
        if self._renewer.unsaved and self._saver is None and not self._closed:
            self._saver = asyncio.create_task(self._save(), name=f"saving of {self.key}")
            self._saver.add_done_callback(self._saver_ended)

    async def _save(self) -> None:
        """Try until everything that happened is in the store."""
        attempts = 0
        while self._renewer.unsaved:
            attempts += 1
            await sleep(self._shared.clock, pause(attempts, jitter=jitter()))
            async with self._lock:
                try:
                    await self._renewer.flush()
                except StoreError as error:
                    self._tell(EventKind.STORE_FAILED, str(error))
                else:
                    self._tell(EventKind.SAVED_LATE, "The store is back and has everything.")

    def _saver_ended(self, task: "asyncio.Task[None]") -> None:
        self._saver = None
        _look_at(task)

    async def _keep_fresh(self) -> None:
        """Renew whenever that is due, nobody asking; wake at least every minute, since timers don't count suspends."""
        while True:
            due, failure = self._stale_at, self._failure
            if failure is not None:
                due = max(due, failure[1] + (_LONGEST_SLEEP if isinstance(failure[0], LoginRequiredError) else 0.0))
            left = due - self._boot()
            if left > 0:
                await sleep(self._shared.clock, min(max(left, _SHORTEST_SLEEP), _LONGEST_SLEEP))
            else:
                await asyncio.wait({self._start(Need()).task})

    async def _finish(self) -> None:
        under_way = self._under_way()
        settling = asyncio.create_task(self._settle_down(under_way), name=f"closing of {self.key}")
        settling.add_done_callback(_look_at)
        try:
            await within(self._shared.clock, self._shared.timing.closing, asyncio.wait({settling}))
        except TimeoutError:
            self._tell(EventKind.SAVE_FAILED, "Closing could not wait any longer for a renewal or for the store.")
        tasks = (*under_way, settling)
        for task in tasks:
            task.cancel()
        # Not for ever: a thread that hangs in the kernel, as on a dead network disk, can't be cancelled.
        with suppress(TimeoutError):
            await within(self._shared.clock, _LAST_MOMENT, asyncio.wait(tasks))

    def _under_way(self) -> "list[asyncio.Task[Any]]":
        return [*self._errands] if self._renewal is None else [self._renewal.task, *self._errands]

    async def _settle_down(self, tasks: "list[asyncio.Task[Any]]") -> None:
        if tasks:
            await asyncio.wait(tasks)
        if self._saver is not None:
            self._saver.cancel()
        attempts = 0
        while self._renewer.unsaved:
            async with self._lock:
                try:
                    await self._renewer.flush()
                except StoreError as error:
                    self._tell(EventKind.STORE_FAILED, str(error))
            attempts += 1
            if self._renewer.unsaved:
                await sleep(self._shared.clock, pause(attempts, jitter=jitter()))

    def _at_home(self) -> None:
        """Bind to the running loop, or say what is wrong.

        Raises:
            ConfigurationError: The manager is closed, or belongs to another loop, thread or process; or no asyncio.
        """
        if self._closed:
            msg = "This TokenManager is closed; make another one with the same store and key."
            raise ConfigurationError(msg)
        moved = self._home.enter()
        if moved is Moved.NOT:
            return
        if moved is Moved.TO_ANOTHER_PROCESS:
            self._renewer = self._renewer.reborn()
        self._lock = asyncio.Lock()
        self._renewal = self._saver = None
        self._errands = ()
        self._save_later()
        if self.keep_fresh:
            self._keeper = asyncio.create_task(self._keep_fresh(), name=f"keeping {self.key} fresh")

    def _one_identity(self, verb: str) -> None:
        if self._shared.grant is not None:
            msg = (
                f"{verb}() would give a manager that renews by {self._shared.grant.grant_type} a second identity. "
                "Make a manager without grant= for it, with a key of its own."
            )
            raise ConfigurationError(msg)

    def _tell(self, kind: EventKind, detail: str) -> None:
        self._shared.tell(kind, self.key, detail)


class _Renewal(NamedTuple):
    """The one renewal that runs, and why."""

    need: Need
    task: "asyncio.Task[None]"


def _look_at(task: "asyncio.Task[Any]") -> None:
    """Take note of how a task ended: our errors were raised or told already, any other is a fault to be seen."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, BitbucketAuthError):
        context = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)


def _default_key(server: AuthorizationServer, client: ClientAuthentication, grant: Grant | None) -> str:
    """Name an identity so that two clients, or two grants of one client, never meet in a store."""
    what: list[Any] = [server.token_endpoint, client.client_id]
    if grant is not None:
        parameters = grant.parameters()
        what += [grant.grant_type, sorted(grant.scope), [parameters.get(name) for name in _PUBLIC_PARAMETERS]]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
