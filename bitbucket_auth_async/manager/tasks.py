"""A manager at work: the tasks that renew, sign in or out, and save, all of one event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError, OutageError, StoreError
from bitbucket_auth_async.manager.cached_token import Held
from bitbucket_auth_async.manager.renewer import AT_ONCE, Need, Renewer
from bitbucket_auth_async.manager.shared import Resources
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.settle import pause
from bitbucket_auth_async.runtime.clocks import jitter, join, sleep, within
from bitbucket_auth_async.telemetry.events import EventKind

_SHARED_FOR = 1.0
_LONGEST_SHARED = 60.0
"""Seconds; in a longer rest the store is looked at again: somebody may have signed in anew."""
_LAST_MOMENT = 1.0


class Renewal(NamedTuple):
    """The one renewal that runs, and why."""

    need: Need
    task: "asyncio.Task[None]"


class Failure(NamedTuple):
    """What the last renewal met, shared with all who ask before *until* on the boot clock."""

    error: BitbucketAuthError
    until: float


class Desk(NamedTuple):
    """Who has the work done: the manager, which hands out what comes of it."""

    take: Callable[[Held], None]
    """Called with a token to hand out from now on."""
    forget: Callable[[], None]
    """Called when there is none any more."""
    miss: Callable[[Failure], None]
    """Called when a renewal failed."""
    ended: Callable[[], None]
    """Called whenever a task has ended."""


class Work:
    """Does what one identity needs now, one thing at a time, in tasks that outlive their callers."""

    __slots__ = (
        "_desk",
        "_errands",
        "_failures",
        "_key",
        "_lock",
        "_saver",
        "_settling",
        "_shared",
        "failure",
        "moves",
        "pid",
        "renewal",
        "renewer",
    )

    def __init__(self, shared: Resources, key: str, renewer: Renewer, desk: Desk) -> None:
        """Begin at the running loop, with what the last one left unsaved."""
        self._shared = shared
        self._key = key
        self._desk = desk
        self.renewer = renewer
        self.moves = shared.home.moves
        self.pid = shared.home.pid
        self._lock = asyncio.Lock()
        self.renewal: Renewal | None = None
        self._errands: tuple[asyncio.Task[Token | None], ...] = ()
        self._saver: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None
        self.failure: Failure | None = None
        self._failures = 0
        self._save_later()

    def moved(self) -> "Work":
        """Return what goes on with this work in another loop, the last one being closed, or in a process forked off."""
        forked = self.pid != self._shared.home.pid
        work = Work(self._shared, self._key, self.renewer.reborn() if forked else self.renewer, self._desk)
        work.failure, work._failures = self.failure, self._failures
        return work

    @property
    def busy(self) -> bool:
        """Whether something is under way or unsaved, so that it would be lost with us."""
        return bool(self.under_way()) or self._saver is not None or self.renewer.ledger.unsaved

    @property
    def done(self) -> bool:
        """Whether token and record say all there is to know."""
        return not self.busy and self.failure is None and not self.renewer.claims

    def under_way(self) -> "list[asyncio.Task[Any]]":
        """Return the tasks that renew, sign in or sign out."""
        return [*self._errands] if self.renewal is None else [self.renewal.task, *self._errands]

    # Renewals.

    def start(self, need: Need) -> Renewal:
        """Return the renewal that runs, having started it if there was none."""
        if self.renewal is None:
            self.renewal = Renewal(need, asyncio.create_task(self._renew(need), name=f"renewal of {self._key}"))
            self.renewal.task.add_done_callback(self._renewal_ended)
        return self.renewal

    async def _renew(self, need: Need) -> None:
        async with self._lock:
            try:
                held = await self.renewer.renew(need)
            except BitbucketAuthError as error:
                self._fail(error)
                raise
            else:
                self._publish(held)
            finally:
                self._save_later()

    def _publish(self, held: Held) -> None:
        self.failure = None
        self._failures = 0
        self._desk.take(held)

    def _fail(self, error: BitbucketAuthError) -> None:
        """Share a failure with all who ask before the next attempt is due; a token that is good goes on being used."""
        before, self._failures = self.failure, self._failures + 1
        rest = error.retry_after if isinstance(error, OutageError) else self.renewer.rests_for()
        if isinstance(error, LoginRequiredError):
            rest = _SHARED_FOR
            if before is None or not isinstance(before.error, LoginRequiredError):
                self._tell(EventKind.LOGIN_REQUIRED, str(error))
            if self.renewer.signed_out:
                self._desk.forget()
        elif isinstance(error, StoreError):
            rest = pause(self._failures, jitter=jitter())
            self._tell(EventKind.STORE_FAILED, str(error))
        elif rest <= 0:
            rest = pause(self._failures, jitter=jitter())
        self.failure = Failure(error, self._shared.clock.boot() + min(rest, _LONGEST_SHARED))
        self._desk.miss(self.failure)

    def _renewal_ended(self, task: "asyncio.Task[None]") -> None:
        self.renewal = None
        _look_at(task)
        held, well = self.renewer.held, not task.cancelled() and task.exception() is None
        if held is not None and held.again_at == AT_ONCE and well and not self._shared.home.closed:
            self.start(Need())
        self._desk.ended()

    # Sign-ins and sign-outs.

    async def errand(self, work: Callable[[], Awaitable[Held | None]]) -> Token | None:
        """Do *work* in a task that outlives a cancelled caller, in order with renewals; return the token it brings.

        Raises:
            DeadlineError: It takes longer than `Timing.deadline`; it goes on.
            BitbucketAuthError: What the work raised.
        """
        task = asyncio.create_task(self._do(work), name=f"sign-in or sign-out of {self._key}")
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
                if self.renewer.held is None:
                    self._desk.forget()
            if held is None:
                return None
            self._publish(held)
            return held.token

    def _errand_ended(self, task: "asyncio.Task[Token | None]") -> None:
        self._errands = tuple(errand for errand in self._errands if errand is not task)
        _look_at(task)
        self._desk.ended()

    # Saving.

    def _save_later(self) -> None:
        home = self._shared.home
        if self.moves != home.moves or not home.is_here():
            return  # a task that a loop left pending as it ended, swept up wherever the garbage collector runs
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return  # torn down, and the loop with us, as like as not; else the next call writes it, or closing does
        if self.renewer.ledger.unsaved and self._saver is None and not self._shared.home.closed:
            self._saver = asyncio.create_task(self._save(), name=f"saving of {self._key}")
            self._saver.add_done_callback(self._saver_ended)

    async def _save(self) -> None:
        """Try until everything that happened is in the store."""
        attempts = 0
        while self.renewer.ledger.unsaved:
            attempts += 1
            await sleep(self._shared.clock, pause(attempts, jitter=jitter()))
            async with self._lock:
                try:
                    await self.renewer.ledger.flush()
                except BitbucketAuthError as error:  # whatever a store raises, a closed one too
                    self._tell(EventKind.STORE_FAILED, str(error))
                else:
                    self._tell(EventKind.SAVED_LATE, "The store is back and has everything.")

    def _saver_ended(self, task: "asyncio.Task[None]") -> None:
        self._saver = None
        _look_at(task)
        self._desk.ended()

    # The end.

    async def finish(self) -> None:
        """Wait for what is under way, for as long as `Timing.closing` at most, and end it."""
        under_way = self.under_way()
        if self._settling is None:  # else somebody closes already, and we wait for the same
            self._settling = asyncio.create_task(self._settle_down(under_way), name=f"closing of {self._key}")
            self._settling.add_done_callback(_look_at)
        try:
            await within(self._shared.clock, self._shared.timing.closing, asyncio.wait({self._settling}))
        except TimeoutError:
            self._tell(EventKind.SAVE_FAILED, "Closing could not wait any longer for a renewal or for the store.")
        tasks = (*under_way, self._settling)
        for task in tasks:
            task.cancel()
        # Not for ever: a thread that hangs in the kernel, as on a dead network disk, can't be cancelled.
        with suppress(TimeoutError):
            await within(self._shared.clock, _LAST_MOMENT, asyncio.wait(tasks))

    async def _settle_down(self, tasks: "list[asyncio.Task[Any]]") -> None:
        if tasks:
            await asyncio.wait(tasks)
        if self._saver is not None:
            self._saver.cancel()
        attempts = 0
        while self.renewer.ledger.unsaved:
            async with self._lock:
                try:
                    await self.renewer.ledger.flush()
                except BitbucketAuthError as error:
                    self._tell(EventKind.STORE_FAILED, str(error))
            attempts += 1
            if self.renewer.ledger.unsaved:
                if self._shared.grant is not None:
                    return  # what the client is given for itself, it is given again
                await sleep(self._shared.clock, pause(attempts, jitter=jitter()))

    def _tell(self, kind: EventKind, detail: str) -> None:
        self._shared.tell(kind, self._key, detail)


def _look_at(task: "asyncio.Task[Any]") -> None:
    """Take note of how a task ended: our errors were raised or told already, any other is a fault to be seen."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, BitbucketAuthError):
        context = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)
