"""TokenManagerPool: a manager for each of many identities, over one transport, one store and one scheduler."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.endpoint_gate import Turns
from bitbucket_auth_async.manager.scheduler import Scheduler
from bitbucket_auth_async.manager.shared import Resources, gathered
from bitbucket_auth_async.manager.tasks import Failure
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK
from bitbucket_auth_async.telemetry.events import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRIES = 16
"""So many busy identities are passed over in the search for one to evict; then the pool is larger for a while."""


class TokenManagerPool:
    """Gives each identity's TokenManager: `pool.manager("alice")`, the same one for all who hold it.

    Hold a manager for as long as you need it, and ask the pool anew each time: who was asked for since the last look
    is active, and its token is renewed in the background. Use the pool as an asynchronous context manager, or call
    `aclose` at the end. It belongs to one event loop.

    Args:
        client: Who asks, for all identities: a Client, or anything that can prove who it is.
        store: Where the tokens are kept.
        server: The authorization server; by default Bitbucket Cloud.
        transport: Sends the token requests; by default an AiohttpTransport of the pool's own.
        timing: The numbers of the protocol.
        max_identities: How many are kept in memory, each in less than a kilobyte beside its token's text. Who was not
            asked for the longest leaves first, and comes back from the store; what is unsaved never leaves.
        max_requests: How many token requests go out at a time.
        on_event: Called with an Event whenever something happens to one of them.
        clock: For tests.

    Raises:
        ConfigurationError: A number is less than 1, or *client* is none.
    """

    __slots__ = ("__weakref__", "_evicted", "_max_identities", "_old", "_order", "_shared", "_young")

    def __init__(  # noqa: PLR0913 - each but two has a default and goes by its name
        self,
        client: ClientAuthentication,
        *,
        store: TokenStore,
        server: AuthorizationServer = BITBUCKET_CLOUD,
        transport: Transport | None = None,
        timing: Timing | None = None,
        max_identities: int = 10_000,
        max_requests: int = 10,
        on_event: Listener | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Touch neither network nor store yet; needs no running loop."""
        for name, number in (("max_identities", max_identities), ("max_requests", max_requests)):
            if number < 1:
                msg = f"{name} is {number!r}: it takes a number, 1 or more."
                raise ConfigurationError(msg)
        self._shared = gathered(
            client,
            grant=None,
            store=store,
            server=server,
            transport=transport,
            timing=timing,
            on_event=on_event,
            clock=clock,
        )
        self._shared.turns = Turns(clock, max_requests)
        self._shared.scheduler = Scheduler(clock, self._begin_renewal, at_once=max_requests)
        self._max_identities = max_identities
        # Two generations: who is asked for moves to the young one, at the cost of nothing for who is there already.
        self._young: dict[str, PooledManager] = {}
        self._old: dict[str, PooledManager] = {}
        self._order: Iterator[str] = iter(())
        self._evicted: WeakValueDictionary[str, PooledManager] = WeakValueDictionary()

    def manager(self, key: str) -> TokenManager:
        """Return the manager of the identity that the store knows as *key*; no second one while somebody holds it.

        It may be used as any TokenManager; its `aclose` waits for what is under way, and leaves it open for the others.

        Raises:
            ConfigurationError: The pool is closed, or *key* is empty or no text.
        """
        found = self._young.get(key)
        if found is None:
            found = self._bring(key)
        if not found.active:
            found.activate()
        return found

    @property
    def resources(self) -> Resources:
        """What its managers share; sign-ins of people use it too."""
        return self._shared

    def __len__(self) -> int:
        """Return how many identities are in memory."""
        return len(self._young) + len(self._old)

    async def aclose(self) -> None:
        """Wait for renewals and saves that are under way, for as long as Timing.closing at most, and close.

        Raises:
            ConfigurationError: The pool is in use in another event loop, which is still open: close it there.
        """
        shared = self._shared
        here = shared.home.close()
        managers = [*self._young.values(), *self._old.values(), *self._evicted.values()]
        for manager in managers:
            manager.retire()
        if here:
            if shared.scheduler is not None:
                shared.scheduler.stop()
            await asyncio.gather(*(manager.finish() for manager in managers if manager.busy))
        if shared.owns_transport:
            await shared.transport.aclose()

    async def __aenter__(self) -> Self:
        """Bind to the running loop, and begin to keep active identities fresh."""
        self._shared.at_home()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def __repr__(self) -> str:
        """Show how many identities are in memory, and no secret."""
        return f"<TokenManagerPool of {len(self)} identities>"

    def _bring(self, key: str) -> "PooledManager":
        if self._shared.home.closed:
            msg = "This TokenManagerPool is closed; make another one with the same store."
            raise ConfigurationError(msg)
        found = self._old.pop(key, None)
        if found is None:
            found = self._evicted.pop(key, None) or PooledManager(self._shared, key)
            found.active = False  # its moment may have passed while it was away
        self._young[key] = found
        self._evict()
        return found

    def _evict(self) -> None:
        """Let those leave that were not asked for the longest, unless they have something that would be lost."""
        for _ in range(_TRIES):
            if len(self) <= self._max_identities:
                return
            if not self._old:
                self._old, self._young = self._young, {}
                self._order = iter(tuple(self._old))
            key = next(self._order)
            manager = self._old.pop(key, None)
            if manager is not None and manager.busy:
                self._young[key] = manager
            elif manager is not None:
                self._evicted[key] = manager  # and gone at once, if nobody holds it

    def _begin_renewal(self, key: str) -> "asyncio.Task[None] | None":
        manager = self._young.get(key) or self._old.get(key)
        return None if manager is None else manager.renew_if_due()


class PooledManager(TokenManager):
    """The TokenManager of an identity in a pool, which closes it."""

    __slots__ = ("active",)

    def __init__(self, shared: Resources, key: str) -> None:
        """Share all but the token."""
        self._settle_in(shared, key)
        self.active = True
        """Whether somebody asked for it since the scheduler's last look."""

    @property
    def busy(self) -> bool:
        """Whether something is under way, or unsaved."""
        return self._work is not None and self._work.busy

    def activate(self) -> None:
        """Have the scheduler look at it again."""
        self.active = True
        if self._token is not None:
            super()._plan(self._stale_at)

    def renew_if_due(self) -> "asyncio.Task[None] | None":
        """Start what is due; the next time is planned if somebody asks for it meanwhile."""
        task = self._begin_renewal(self.key)
        if task is not None:
            self.active = False
        return task

    def retire(self) -> None:
        """Hand nothing out any more."""
        self._stale_at = float("-inf")

    async def finish(self) -> None:
        """Wait, with a bound, for what is under way."""
        await self._finish()

    async def aclose(self) -> None:
        """Wait for what is under way; the pool closes the rest."""
        if not self._shared.home.closed:
            await self.idle()

    def _plan(self, due: float) -> None:
        if self.active:
            super()._plan(due)

    def _miss(self, failure: Failure) -> None:
        if isinstance(failure.error, LoginRequiredError):
            self.active = False  # only a person can help, and comes to us
        super()._miss(failure)
