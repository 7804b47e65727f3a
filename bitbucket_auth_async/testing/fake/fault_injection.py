"""One fault, befalling one request."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Self

from bitbucket_auth_async.errors import TransportError
from bitbucket_auth_async.oauth2.http_messages import Response
from bitbucket_auth_async.protocols import Timer
from bitbucket_auth_async.testing.fake.faults import Fault
from bitbucket_auth_async.testing.fake.request_log import RequestInfo

CallLater = Callable[[float, Callable[[], object]], Timer]


class DroppedError(Exception):
    """A fault closes the connection: the port does so, the Transport raises TransportError."""

    def __init__(self, fault: Fault, half: Response | None = None) -> None:
        """Keep the fault, and the answer of which half is sent first."""
        super().__init__(fault.name)
        self.fault = fault
        self.half = half


class Injection:
    """A fault in the queue of a fake: how often it has struck, and the way to release or remove it.

    As a context manager it is removed, and what it holds is released, at the end of the block.
    """

    def __init__(self, fault: Fault, *, times: int | None, when: Callable[[RequestInfo], bool]) -> None:
        """Strike the next *times* requests for which *when* is true; None: until removed."""
        self.fault = fault
        self.left = times
        self.when = when
        self.hits = 0
        self.reached = asyncio.Event()
        """Set when the fault has struck for the first time."""
        self._released = False
        self._gates: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        """Show the fault, and how often it has struck and will."""
        left = "until removed" if self.left is None else f"{self.left} left"
        return f"<Injection of {self.fault.name}: {self.hits} hits, {left}>"

    def take(self, info: RequestInfo) -> bool:
        """Tell whether this request is struck, and count it."""
        if self.left == 0 or not self.when(info):
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        self.reached.set()
        return True

    def gate(self) -> asyncio.Future[None] | None:
        """Return what a held request waits for; None: it need not."""
        if not self.fault.held or self._released:
            return None
        gate = asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        return gate

    def release(self) -> None:
        """Let all go on that are held back, now and later."""
        self._released = True
        gates, self._gates = self._gates, []
        for gate in gates:
            _wake(gate)

    def remove(self) -> None:
        """Strike no more; what is held stays held until it is released."""
        self.left = 0

    def __enter__(self) -> Self:
        """Return this injection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it and release what it holds."""
        self.remove()
        self.release()


async def apply_fault(
    injection: Injection, work: Callable[[], Response], call_later: CallLater, limit: float | None
) -> Response:
    """Do *work* as far as the fault lets it, wait as long as it says, and return what it makes of the answer.

    A caller who gives up meanwhile changes nothing: what takes effect late takes effect nevertheless.

    Raises:
        DroppedError: The fault closes the connection.
        TransportError: The answer is held back for longer than *limit* seconds.
    """
    fault = injection.fault
    gate = _gate(injection, call_later)
    if gate is None:
        return _outcome(fault, work() if fault.processed else None)
    early = work() if fault.processed and not fault.late else None
    done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    gate.add_done_callback(partial(_open, fault, work if fault.late and fault.processed else None, early, done))
    timer = None if limit is None else call_later(limit, partial(_time_out, done))
    try:
        return await done
    finally:
        if timer is not None:
            timer.cancel()


def _gate(injection: Injection, call_later: CallLater) -> asyncio.Future[None] | None:
    if injection.fault.seconds > 0:
        gate = asyncio.get_running_loop().create_future()
        call_later(injection.fault.seconds, partial(_wake, gate))
        return gate
    return injection.gate()


def _open(
    fault: Fault,
    work: Callable[[], Response] | None,
    early: Response | None,
    done: asyncio.Future[Response],
    _: asyncio.Future[None],
) -> None:
    real = early if work is None else work()
    if done.done():
        return
    try:
        done.set_result(_outcome(fault, real))
    except DroppedError as dropped:
        done.set_exception(dropped)


def _outcome(fault: Fault, real: Response | None) -> Response:
    if fault.drops:
        raise DroppedError(fault)
    if fault.cut:
        raise DroppedError(fault, real)
    return fault.change(real)


def _time_out(done: asyncio.Future[Response]) -> None:
    if not done.done():
        done.set_exception(TransportError("The fake held the answer back for longer than the time-out.", sent=True))


def _wake(gate: asyncio.Future[None]) -> None:
    """Let go on what waits for *gate*."""
    if not gate.done():
        gate.set_result(None)
