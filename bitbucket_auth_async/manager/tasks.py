"""IdentityTasks: one identity's background tasks, which renew, sign in or out, and save."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError, OutageError, StoreError
from bitbucket_auth_async.manager.renewer import RENEW_NOW, Renewer
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.manager.sign_ins import SignIns
from bitbucket_auth_async.manager.token_cache import CachedToken
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.decide import NOT_REJECTED, Rejection, rest_left
from bitbucket_auth_async.renewal.settle import backoff
from bitbucket_auth_async.runtime.clocks import jitter, join, sleep, within
from bitbucket_auth_async.telemetry.events import EventKind

_LOGIN_REQUIRED_SHARED_FOR = 1.0
_LONGEST_SHARED = 60.0
"""Seconds; after that the store is read again, since a person may have signed in."""
_CANCEL_TIMEOUT = 1.0


class Renewal(NamedTuple):
    """The running renewal, and the refused token that it is to replace."""

    rejection: Rejection
    task: "asyncio.Task[None]"


class Failure(NamedTuple):
    """The error of the last renewal, raised for every caller before *until* on the boot clock."""

    error: BitbucketAuthError
    until: float


class Callbacks(NamedTuple):
    """The manager's reactions to results; functions, since the methods of a Protocol would be public on the manager."""

    token_ready: Callable[[CachedToken], None]
    token_gone: Callable[[], None]
    renewal_failed: Callable[[Failure], None]
    task_ended: Callable[[], None]


class IdentityTasks:
    """Runs one identity's operations one at a time, in tasks that outlive a cancelled caller, in one event loop."""

    __slots__ = (
        "_bind_count",
        "_callbacks",
        "_closing",
        "_failures",
        "_key",
        "_lock",
        "_operations",
        "_pid",
        "_renewer",
        "_saver",
        "_shared",
        "_sign_ins",
        "failure",
        "renewal",
        "stored",
    )

    def __init__(self, shared: SharedResources, key: str, renewer: Renewer, callbacks: Callbacks) -> None:
        """Start in the running loop, and save what an earlier loop left unsaved."""
        self._shared = shared
        self._key = key
        self._renewer = renewer
        self._callbacks = callbacks
        self.stored = renewer.stored
        self._sign_ins = SignIns(shared, key, renewer.stored, renewer.cache)
        self._bind_count = shared.binding.bind_count
        self._pid = shared.binding.pid
        self._lock = asyncio.Lock()
        self.renewal: Renewal | None = None
        self._operations: tuple[asyncio.Task[Token | None], ...] = ()
        self._saver: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.failure: Failure | None = None
        self._failures = 0
        self._save_later()

    def in_bound_loop(self) -> "IdentityTasks":
        """Return these tasks, or their successor once the manager is bound to another loop or a forked process."""
        binding = self._shared.binding
        if self._bind_count == binding.bind_count:
            return self
        renewer = self._renewer if self._pid == binding.pid else self._renewer.for_forked_process()
        successor = IdentityTasks(self._shared, self._key, renewer, self._callbacks)
        successor.failure, successor._failures = self.failure, self._failures
        return successor

    def in_running_loop(self) -> bool:
        """Return True if the running loop is the loop of these tasks."""
        return self._bind_count == self._shared.binding.bind_count and self._shared.binding.is_current()

    @property
    def busy(self) -> bool:
        """True if something runs or is unsaved, so that it would be lost with this object."""
        return bool(self.running()) or self._saver is not None or self.stored.unsaved

    @property
    def disposable(self) -> bool:
        """True if token and record are all there is to remember."""
        return not self.busy and self.failure is None and not self.stored.may_be_claimed

    def running(self) -> "list[asyncio.Task[Any]]":
        """Return the tasks that renew, sign in or sign out."""
        return [*self._operations] if self.renewal is None else [self.renewal.task, *self._operations]

    # Renewals.

    def start_renewal(self, rejection: Rejection = NOT_REJECTED) -> Renewal:
        """Return the running renewal; start one if needed."""
        if self.renewal is None:
            task = asyncio.create_task(self._renew(rejection), name=f"renewal of {self._key}")
            self.renewal = Renewal(rejection, task)
            task.add_done_callback(self._renewal_ended)
        return self.renewal

    async def _renew(self, rejection: Rejection) -> None:
        async with self._lock:
            try:
                with self._shared.span("renew", self._key):
                    cached = await self._renewer.renew(rejection)
            except BitbucketAuthError as error:
                self._fail(error)
                raise
            else:
                self._publish(cached)
            finally:
                self._save_later()

    def _publish(self, cached: CachedToken) -> None:
        self.failure = None
        self._failures = 0
        self._callbacks.token_ready(cached)

    def _fail(self, error: BitbucketAuthError) -> None:
        """Raise *error* for every caller until the next attempt is due; a valid token stays in use."""
        before, record, clock = self.failure, self.stored.record, self._shared.clock
        self._failures += 1
        pause = backoff(self._failures, jitter=jitter())
        if isinstance(error, LoginRequiredError):
            pause = _LOGIN_REQUIRED_SHARED_FOR
            if before is None or not isinstance(before.error, LoginRequiredError):
                self._tell(EventKind.LOGIN_REQUIRED, str(error))
            if record is not None and record.signed_out:
                self._callbacks.token_gone()
        elif isinstance(error, StoreError):
            self._tell(EventKind.STORE_FAILED, str(error))
        else:
            left = error.retry_after if isinstance(error, OutageError) else rest_left(record, clock.wall())
            pause = left or pause
        self.failure = Failure(error, clock.boot() + min(pause, _LONGEST_SHARED))
        self._callbacks.renewal_failed(self.failure)

    def _renewal_ended(self, task: "asyncio.Task[None]") -> None:
        self.renewal = None
        _report_bug(task)
        cached, succeeded = self._renewer.cache.current, not task.cancelled() and task.exception() is None
        if cached is not None and cached.recheck_at == RENEW_NOW and succeeded and not self._shared.binding.closed:
            self.start_renewal()
        self._callbacks.task_ended()

    # Sign-ins and sign-outs.

    async def run(self, operation: Callable[[SignIns], Awaitable[CachedToken | None]]) -> Token | None:
        """Sign in or out in a task that outlives a cancelled caller; return the new token.

        Raises:
            DeadlineError: It takes longer than `Timing.deadline`; the task goes on.
            BitbucketAuthError: The operation failed.
        """
        task = asyncio.create_task(self._run(operation), name=f"sign-in or sign-out of {self._key}")
        self._operations = (*self._operations, task)
        task.add_done_callback(self._operation_ended)
        await join(self._shared.clock, task, self._shared.timing.deadline)
        return task.result()

    async def _run(self, operation: Callable[[SignIns], Awaitable[CachedToken | None]]) -> Token | None:
        async with self._lock:
            try:
                cached = await operation(self._sign_ins)
            finally:
                self._save_later()
                if self._renewer.cache.current is None:
                    self._callbacks.token_gone()
            if cached is None:
                return None
            self._publish(cached)
            return cached.token

    def _operation_ended(self, task: "asyncio.Task[Token | None]") -> None:
        self._operations = tuple(other for other in self._operations if other is not task)
        _report_bug(task)
        self._callbacks.task_ended()

    # Saving.

    def _save_later(self) -> None:
        if not self.in_running_loop():
            return  # the garbage collector ended a task that an earlier loop had left pending
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return  # the loop is probably ending; the next call or aclose() saves
        if self.stored.unsaved and self._saver is None and not self._shared.binding.closed:
            self._saver = asyncio.create_task(self._save(), name=f"saving of {self._key}")
            self._saver.add_done_callback(self._saver_ended)

    async def _save(self) -> None:
        """Retry until no change is pending."""
        attempts = 0
        while self.stored.unsaved:
            attempts += 1
            await sleep(self._shared.clock, backoff(attempts, jitter=jitter()))
            async with self._lock:
                try:
                    await self.stored.flush()
                except BitbucketAuthError as error:  # a closed store raises a ConfigurationError
                    self._tell(EventKind.STORE_FAILED, str(error))
                else:
                    self._tell(EventKind.SAVED_LATE, "The store is back and everything is saved.")

    def _saver_ended(self, task: "asyncio.Task[None]") -> None:
        self._saver = None
        _report_bug(task)
        self._callbacks.task_ended()

    # Closing.

    async def finish(self) -> None:
        """Wait for running tasks and pending saves, for `Timing.closing` at most; then cancel them."""
        running = self.running()
        if self._closing is None:  # else another caller is closing already; wait for the same task
            self._closing = asyncio.create_task(self._finish(running), name=f"closing of {self._key}")
            self._closing.add_done_callback(_report_bug)
        try:
            await within(self._shared.clock, self._shared.timing.closing, asyncio.wait({self._closing}))
        except TimeoutError:
            detail = "aclose() waited for Timing.closing; a renewal or a save was not finished by then."
            self._tell(EventKind.SAVE_FAILED, detail)
        tasks = (*running, self._closing)
        for task in tasks:
            task.cancel()
        # With a limit: a thread that hangs in the kernel, as on a dead network disk, can't be cancelled.
        with suppress(TimeoutError):
            await within(self._shared.clock, _CANCEL_TIMEOUT, asyncio.wait(tasks))

    async def _finish(self, tasks: "list[asyncio.Task[Any]]") -> None:
        if tasks:
            await asyncio.wait(tasks)
        if self._saver is not None:
            self._saver.cancel()
        attempts = 0
        while self.stored.unsaved:
            async with self._lock:
                try:
                    await self.stored.flush()
                except BitbucketAuthError as error:
                    self._tell(EventKind.STORE_FAILED, str(error))
            attempts += 1
            if self.stored.unsaved:
                if self._shared.grant is not None:
                    return  # a replayable grant gets another token at the next start
                await sleep(self._shared.clock, backoff(attempts, jitter=jitter()))

    def _tell(self, kind: EventKind, detail: str) -> None:
        self._shared.tell(kind, self._key, detail)


def _report_bug(task: "asyncio.Task[Any]") -> None:
    """Hand an unexpected error to the loop's exception handler; this package's own errors were raised or told."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, BitbucketAuthError):
        context = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)
