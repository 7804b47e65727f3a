"""TokenManagerPool: many identities over one transport, one store and one scheduler."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.endpoint_gate import EndpointGate
from bitbucket_auth_async.manager.scheduler import Scheduler
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.protocols import Clock, TokenStore, Transport
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK
from bitbucket_auth_async.telemetry.events import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bitbucket_auth_async.manager.tasks import Failure

_EVICTION_TRIES = 16
"""Busy identities passed over in the search for one to evict; after that the pool is too large for a while."""


class TokenManagerPool:
    """Returns each identity's TokenManager: `pool.manager("alice")` gives every caller the same one.

    Hold a manager as long as you need it, and ask the pool again each time. An identity that was asked for since its
    last renewal is active, and its token is renewed in the background. Use the pool as an asynchronous context manager,
    or call `aclose` at the end. It belongs to one event loop.

    Args:
        client: The OAuth consumer of all identities: a Client, or another object with a `client_id` and a `proof`.
        store: Where the tokens are kept.
        server: The authorization server; by default Bitbucket Cloud.
        transport: Sends the token requests; by default an AiohttpTransport that the pool closes.
        timing: The numbers of the protocol.
        max_identities: How many are kept in memory, each in less than a kilobyte plus its token's text. The least
            recently used ones leave first and are loaded again when needed; unsaved ones stay.
        max_requests: How many token requests are sent at the same time.
        on_event: Called with each Event of any identity.
        clock: For tests.

    Raises:
        ConfigurationError: A number is less than 1, or an argument is of another kind.
    """

    __slots__ = ("__weakref__", "_evicted", "_eviction_order", "_max_identities", "_old", "_shared", "_young")

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
                msg = f"{name} is {number!r}; give a number of 1 or more."
                raise ConfigurationError(msg)
        self._shared = SharedResources(
            client,
            grant=None,
            store=store,
            server=server,
            transport=transport,
            timing=timing,
            on_event=on_event,
            clock=clock,
        )
        self._shared.gate = EndpointGate(clock, max_requests)
        self._shared.scheduler = Scheduler(clock, self._start_due_renewal, max_running=max_requests)
        self._max_identities = max_identities
        # Two generations: using an identity of the old one moves it to the young one; the others cost nothing.
        self._young: dict[str, PooledManager] = {}
        self._old: dict[str, PooledManager] = {}
        self._eviction_order: Iterator[str] = iter(())
        self._evicted: WeakValueDictionary[str, PooledManager] = WeakValueDictionary()

    def manager(self, key: str) -> TokenManager:
        """Return the manager of the identity *key*; as long as a caller holds it, every other caller gets the same.

        Use it as any TokenManager. Its `aclose` waits for running tasks, and leaves it open for other callers.

        Raises:
            ConfigurationError: The pool is closed, or *key* is empty or not a text.
        """
        found = self._young.get(key)
        if found is None:
            found = self._add(key)
        if not found.active:
            found.activate()
        return found

    @property
    def resources(self) -> SharedResources:
        """The resources that its managers share; web.Login uses them too."""
        return self._shared

    def __len__(self) -> int:
        """Return how many identities are in memory."""
        return len(self._young) + len(self._old)

    async def aclose(self) -> None:
        """Wait for running renewals and saves, for Timing.closing at most, and close.

        Raises:
            ConfigurationError: The pool is in use in another event loop that is still open: close it there.
        """
        shared = self._shared
        in_its_loop = shared.binding.close()
        managers = [*self._young.values(), *self._old.values(), *self._evicted.values()]
        for manager in managers:
            manager.retire()
        if in_its_loop:
            if shared.scheduler is not None:
                shared.scheduler.stop()
            await asyncio.gather(*(manager.finish() for manager in managers if manager.busy))
        if shared.owns_transport:
            await shared.transport.aclose()

    async def __aenter__(self) -> Self:
        """Bind to the running loop, and start the background renewals."""
        self._shared.bind_to_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def __repr__(self) -> str:
        """Show how many identities are in memory, and no secret."""
        return f"<TokenManagerPool of {len(self)} identities>"

    def _add(self, key: str) -> "PooledManager":
        if self._shared.binding.closed:
            msg = "This TokenManagerPool is closed; make another one with the same store."
            raise ConfigurationError(msg)
        found = self._old.pop(key, None)
        if found is None:
            found = self._evicted.pop(key, None) or PooledManager(self._shared, key)
            found.active = False  # its renewal may have become due while it was not in memory
        self._young[key] = found
        self._evict()
        return found

    def _evict(self) -> None:
        """Evict the least recently used identities, except busy ones."""
        for _ in range(_EVICTION_TRIES):
            if len(self) <= self._max_identities:
                return
            if not self._old:
                self._old, self._young = self._young, {}
                self._eviction_order = iter(tuple(self._old))
            key = next(self._eviction_order)
            manager = self._old.pop(key, None)
            if manager is not None and manager.busy:
                self._young[key] = manager
            elif manager is not None:
                self._evicted[key] = manager  # a weak reference: gone at once unless a caller holds it

    def _start_due_renewal(self, key: str) -> "asyncio.Task[None] | None":
        manager = self._young.get(key) or self._old.get(key)
        return None if manager is None else manager.renew_if_due()


class PooledManager(TokenManager):
    """The TokenManager of an identity in a pool; the pool closes it."""

    __slots__ = ("active",)

    def __init__(self, shared: SharedResources, key: str) -> None:
        """Share everything except the token."""
        self._set_up(shared, key)
        self.active = True
        """True if a caller asked for it since its last background renewal."""

    @property
    def busy(self) -> bool:
        """True if a task runs or a change is unsaved."""
        return self._tasks is not None and self._tasks.busy

    def activate(self) -> None:
        """Schedule its next renewal."""
        self.active = True
        if self._token is not None:
            super()._schedule(self._stale_at)

    def renew_if_due(self) -> "asyncio.Task[None] | None":
        """Start the renewal if it is due; the next one is scheduled once a caller asks for this identity again."""
        task = self._start_due_renewal(self.key)
        if task is not None:
            self.active = False
        return task

    def retire(self) -> None:
        """Stop handing out the token."""
        self._stale_at = float("-inf")

    async def finish(self) -> None:
        """Wait for running tasks, with a limit."""
        await self._finish()

    async def aclose(self) -> None:
        """Wait for running tasks; the pool closes the rest."""
        if not self._shared.binding.closed:
            await self.idle()

    def _schedule(self, due: float) -> None:
        if self.active:
            super()._schedule(due)

    def _renewal_failed(self, failure: "Failure") -> None:
        if isinstance(failure.error, LoginRequiredError):
            self.active = False  # until a person signs in, which asks for this identity
        super()._renewal_failed(failure)
