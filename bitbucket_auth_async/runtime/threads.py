"""Threads: runs a store's blocking calls in a few threads."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from bitbucket_auth_async.runtime.per_loop import PerLoop

_A = TypeVarTuple("_A")
_T = TypeVar("_T")


class Threads:
    """A store's threads in each loop; the loop's default threads may all be waiting for this store's token.

    A cancelled caller leaves its thread behind until the call ends. That thread still counts, so a disk or a keyring
    that hangs blocks these few threads at most.
    """

    __slots__ = ("_slots",)

    def __init__(self, max_running: int) -> None:
        """Allow *max_running* calls at the same time."""
        self._slots = PerLoop("Threads", partial(asyncio.Semaphore, max_running))

    async def run(self, work: Callable[[*_A], _T], *arguments: *_A) -> _T:
        """Return the result of *work* in a thread; once begun, it ends even if the caller is cancelled."""
        return await self.finish(lambda: to_thread.run_sync(work, *arguments, limiter=CapacityLimiter(1)))

    async def finish(self, begin: Callable[[], Awaitable[_T]]) -> _T:
        """Return the result of the call that *begin* starts in its thread; it goes on if the caller is cancelled."""
        slots = self._slots.get()
        await slots.acquire()
        call = asyncio.ensure_future(begin())

        def ended(call: "asyncio.Future[_T]") -> None:
            slots.release()
            if not call.cancelled():
                call.exception()  # otherwise asyncio logs it as never retrieved once the caller is gone

        call.add_done_callback(ended)
        return await asyncio.shield(call)
