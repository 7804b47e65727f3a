"""Injection and apply_fault: which requests a fault hits, and what it does to them."""

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
    """A fault closes the connection; as a Transport, the fake raises TransportError instead."""

    def __init__(self, fault: Fault, half: Response | None = None) -> None:
        """Keep the fault, and the response of which half is sent first, if any."""
        super().__init__(fault.name)
        self.fault = fault
        self.half = half


class Injection:
    """A fault injected into a fake; it counts its hits, and can be released or removed.

    As a context manager, it is removed and released at the end of the block.
    """

    def __init__(self, fault: Fault, *, times: int | None, when: Callable[[RequestInfo], bool]) -> None:
        """Hit the next *times* requests for which *when* is true; with None, all until it is removed."""
        self.fault = fault
        self.left = times
        self.when = when
        self.hits = 0
        self.reached = asyncio.Event()
        """Set at the first hit."""
        self._released = False
        self._gates: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        """Show the fault, its hits, and the hits left."""
        left = "until removed" if self.left is None else f"{self.left} left"
        return f"<Injection of {self.fault.name}: {self.hits} hits, {left}>"

    def take(self, info: RequestInfo) -> bool:
        """Return whether the fault hits this request, and count the hit."""
        if self.left == 0 or not self.when(info):
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        self.reached.set()
        return True

    def gate(self) -> asyncio.Future[None] | None:
        """Return the future that a held request waits for, or None if it need not wait."""
        if not self.fault.held or self._released:
            return None
        gate = asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        return gate

    def release(self) -> None:
        """Release all held requests, now and later."""
        self._released = True
        gates, self._gates = self._gates, []
        for gate in gates:
            _wake(gate)

    def remove(self) -> None:
        """Hit no more requests; held ones stay held until they are released."""
        self.left = 0

    def __enter__(self) -> Self:
        """Return this injection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it, and release the held requests."""
        self.remove()
        self.release()


async def apply_fault(
    injection: Injection, work: Callable[[], Response], call_later: CallLater, limit: float | None
) -> Response:
    """Call *work* unless the fault prevents it, wait as long as the fault says, and return the changed response.

    A late request still takes effect if its caller is cancelled.

    Raises:
        DroppedError: The fault closes the connection.
        TransportError: The response is held for longer than *limit* seconds.
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
        done.set_exception(TransportError("The fake held the response for longer than the time-out.", sent=True))


def _wake(gate: asyncio.Future[None]) -> None:
    """Release the waiters of *gate*."""
    if not gate.done():
        gate.set_result(None)
