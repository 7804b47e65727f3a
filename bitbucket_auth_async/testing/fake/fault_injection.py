"""One fault, befalling one request."""

import asyncio
from collections.abc import Callable
from functools import partial

from bitbucket_auth_async.errors import TransportError
from bitbucket_auth_async.oauth2.http_messages import Response
from bitbucket_auth_async.protocols import Timer
from bitbucket_auth_async.testing.fake.faults import Fault, Injection, wake

CallLater = Callable[[float, Callable[[], object]], Timer]


class DroppedError(Exception):
    """A fault closes the connection: the port does so, the Transport raises TransportError."""

    def __init__(self, fault: Fault, half: Response | None = None) -> None:
        """Keep the fault, and the answer of which half is sent first."""
        super().__init__(fault.name)
        self.fault = fault
        self.half = half


async def strike(
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
        call_later(injection.fault.seconds, partial(wake, gate))
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
