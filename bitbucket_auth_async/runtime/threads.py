"""Blocking calls in threads: a few at a time, however many give up waiting for them."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from bitbucket_auth_async.runtime.per_loop import PerLoop

_A = TypeVarTuple("_A")
_T = TypeVar("_T")


class Threads:
    """Threads of a store's own, for each loop: the shared ones may all be taken by work that waits for the very token.

    Who gives up waiting leaves the thread behind until the call has ended. It still counts, so that a disk or a keyring
    that hangs costs no more than these few.
    """

    __slots__ = ("_turns",)

    def __init__(self, at_once: int) -> None:
        """Let so many calls be under way."""
        self._turns = PerLoop("Threads", partial(asyncio.Semaphore, at_once))

    async def run(self, work: Callable[[*_A], _T], *arguments: *_A) -> _T:
        """Return what *work* gives, in a thread; once begun, it ends there even if the caller is cancelled."""
        return await self.finish(lambda: to_thread.run_sync(work, *arguments, limiter=CapacityLimiter(1)))

    async def finish(self, begin: Callable[[], Awaitable[_T]]) -> _T:
        """Return what comes of the call that *begin* makes, which has a thread of its own; cancelled, it goes on."""
        turns = self._turns.get()
        await turns.acquire()
        call = asyncio.ensure_future(begin())

        def ended(call: "asyncio.Future[_T]") -> None:
            turns.release()
            if not call.cancelled():
                call.exception()  # looked at, or asyncio would complain of it once the caller is gone

        call.add_done_callback(ended)
        return await asyncio.shield(call)
