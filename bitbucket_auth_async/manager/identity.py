"""Identity: one identity in memory, with a token to hand out and, while there is work, the tasks that renew it."""

from typing import TYPE_CHECKING

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.compact_record import PackedRecord, pack, unpack
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.decide import Rejection
from bitbucket_auth_async.renewal.timing import Deadlines
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.clocks import join

if TYPE_CHECKING:
    import asyncio

    from bitbucket_auth_async.manager.tasks import Failure, IdentityTasks
    from bitbucket_auth_async.manager.token_cache import CachedToken

_LONG_AGO = float("-inf")
_LOGIN_RECHECK = 60.0
"""Seconds after which a background renewal checks again whether a person has signed in."""


class Identity:
    """The state behind a TokenManager; while idle only the token, its deadlines and a compact record."""

    __slots__ = (
        "__weakref__",
        "_boot",
        "_expires_at",
        "_packed_record",
        "_renew_at",
        "_shared",
        "_stale_at",
        "_tasks",
        "_token",
        "key",
    )

    def _set_up(self, shared: SharedResources, key: str) -> None:
        """Start without a token."""
        check("key", key, "encode", example="a text, such as str(user.id)")
        if not key:
            msg = (
                "key is empty, so all people without a key would share a sign-in. Give each one, such as str(user.id)."
            )
            raise ConfigurationError(msg)
        self._shared = shared
        self.key = key
        self._boot = shared.clock.boot
        self._token: Token | None = None
        self._stale_at = self._renew_at = self._expires_at = _LONG_AGO
        self._packed_record: PackedRecord | None = None
        """Compact copy of the stored record, kept while the manager is idle."""
        self._tasks: IdentityTasks | None = None

    async def _get_stale_or_renewed(self, rejected: Token | None, *, still_accepted: bool) -> Token:
        rejection = Rejection(None if rejected is None else rejected.access_token, still_accepted)
        give_up_at = self._boot() + self._shared.timing.deadline
        while True:
            tasks = self._current_tasks()
            token, now = self._token, self._boot()
            if token is not None and now < self._expires_at and token.access_token != rejection.access_token:
                if now >= self._stale_at:
                    tasks.start_renewal()
                return token
            failure = tasks.failure
            if failure is not None and now < failure.until:
                raise failure.error.again()
            renewal = tasks.start_renewal(rejection)
            await self._join(renewal.task, give_up_at - now)
            answered = renewal.rejection in (rejection, Rejection(rejection.access_token))
            if answered and self._token is not None and self._boot() < self._expires_at:
                return self._token

    async def _join(self, task: "asyncio.Task[None]", seconds: float) -> None:
        began = self._boot()
        try:
            await join(self._shared.clock, task, seconds)
        finally:
            self._shared.tell_wait(self.key, self._boot() - began)

    def _current_tasks(self) -> "IdentityTasks":
        """Return the tasks of the running loop.

        Raises:
            ConfigurationError: See `SharedResources.bind_to_loop`.
        """
        self._shared.bind_to_loop()
        if self._tasks is None:
            self._tasks = self._resume()
        self._tasks = self._tasks.in_bound_loop()
        return self._tasks

    async def _finish(self) -> None:
        """Wait for running tasks, with a limit."""
        if self._tasks is not None:
            self._tasks = self._tasks.in_bound_loop()
            await self._tasks.finish()

    def _resume(self) -> "IdentityTasks":
        """Return new tasks that go on with the token and the record of an idle manager."""
        # Loaded with the first renewal, which waits for the network anyway: half of what a manager would import.
        from bitbucket_auth_async.manager.renewer import Renewer  # noqa: PLC0415
        from bitbucket_auth_async.manager.tasks import Callbacks, IdentityTasks  # noqa: PLC0415
        from bitbucket_auth_async.manager.token_cache import CachedToken  # noqa: PLC0415

        token, last_seen = self._token, unpack(self._packed_record, self._token, self._shared.issuer)
        cached = None
        if token is not None:
            cached = CachedToken(token, Deadlines(self._renew_at, self._expires_at), self._stale_at)
        renewer = Renewer(self._shared, self.key, cached=cached, last_seen=last_seen)
        self._packed_record = None
        callbacks = Callbacks(self._token_ready, self._token_gone, self._renewal_failed, self._task_ended)
        return IdentityTasks(self._shared, self.key, renewer, callbacks)

    def _task_ended(self) -> None:
        """Drop the tasks once there is nothing to do; an idle manager is small."""
        tasks = self._tasks
        if tasks is not None and tasks.disposable:
            self._packed_record = pack(tasks.stored.last_seen, self._token, self._shared.issuer)
            self._tasks = None

    def _token_ready(self, cached: "CachedToken") -> None:
        closed, self._token = self._shared.binding.closed, cached.token
        self._stale_at = _LONG_AGO if closed else min(cached.recheck_at, cached.deadlines.expires_at)
        self._renew_at, self._expires_at = cached.deadlines
        self._schedule(self._stale_at)

    def _renewal_failed(self, failure: "Failure") -> None:
        self._stale_at = _LONG_AGO if self._shared.binding.closed else min(failure.until, self._expires_at)
        self._schedule(failure.until + (_LOGIN_RECHECK if isinstance(failure.error, LoginRequiredError) else 0.0))

    def _token_gone(self) -> None:
        self._token = None
        self._stale_at = self._renew_at = self._expires_at = _LONG_AGO

    def _schedule(self, due: float) -> None:
        """Have the scheduler start a renewal at *due*, if there is a scheduler."""
        if self._shared.scheduler is not None:
            self._shared.scheduler.schedule(due, self.key)

    def _start_due_renewal(self, _key: str) -> "asyncio.Task[None] | None":
        """Start the scheduled renewal; None: it is not due, since a caller was first."""
        failure = None if self._tasks is None else self._tasks.failure
        if self._boot() < (self._stale_at if failure is None else max(self._stale_at, failure.until)):
            return None
        return self._current_tasks().start_renewal().task
