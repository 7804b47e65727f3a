"""A manager from sign-in to logout, over a real port and a real file, in whatever event loop runs it.

As a program with a directory as its argument, it prints nothing unless asyncio or Python complains.
"""

import asyncio
import gc
import logging
import sys
from pathlib import Path

import aiohttp

from bitbucket_auth_async import LoginRequiredError, OutageError, TokenManager
from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.errors import UnavailableError
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import Site, serve
from tests.support.clocks import ShiftedClock

CALLERS = 100


async def lifecycle(directory: Path) -> None:
    """Sign in, expire, cancel callers, meet a 401 and an outage, log out, close; raise if anything goes wrong."""
    clock = ShiftedClock()
    fake = FakeBitbucket(clock)
    async with serve(fake) as site:

        def manager(*, keep_fresh: bool) -> TokenManager:
            store = FileStore(directory / "tokens.json")
            return TokenManager(
                fake.client, key="alice", store=store, server=site.server, clock=clock, keep_fresh=keep_fresh
            )

        async with manager(keep_fresh=True) as one, manager(keep_fresh=False) as other:
            await one.adopt(fake.sign_in())
            await _expiry(fake, clock, one, other)
            await _refused(fake, clock, site, one)
            await _outage(fake, clock, one)
            await one.logout()
            try:
                await one.get_token()
            except LoginRequiredError:
                return
    msg = "it hands out tokens after the logout"
    raise AssertionError(msg)


async def _expiry(fake: FakeBitbucket, clock: ShiftedClock, one: TokenManager, other: TokenManager) -> None:
    clock.advance(3600)
    callers = [asyncio.create_task(manager.get_token()) for manager in (one, other) for _ in range(CALLERS)]
    await asyncio.sleep(0)
    for caller in callers[::5]:
        caller.cancel()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) == len(callers[::5])
    assert len({answer.access_token for answer in answers if not isinstance(answer, BaseException)}) == 1
    assert fake.token_requests == 1


async def _refused(fake: FakeBitbucket, clock: ShiftedClock, site: Site, manager: TokenManager) -> None:
    clock.advance(120)
    fake.expire_access_tokens()
    async with authenticated_session(manager, raise_for_status=True) as http:
        await asyncio.gather(*(_ask(http, f"{site.base_url}/2.0/user") for _ in range(20)))
    assert fake.token_requests == 2


async def _ask(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(url) as response:
        await response.read()


async def _outage(fake: FakeBitbucket, clock: ShiftedClock, manager: TokenManager) -> None:
    clock.advance(3600)
    with fake.inject(faults.status(503), times=None):
        answers = await asyncio.gather(*(manager.get_token() for _ in range(CALLERS)), return_exceptions=True)
    assert all(isinstance(answer, UnavailableError | OutageError) for answer in answers), answers
    clock.advance(120)
    assert fake.is_live((await manager.get_token()).access_token)


def main() -> None:
    """Run it in an event loop that logs whatever goes wrong."""
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("bitbucket_auth_async").setLevel(logging.CRITICAL)  # it reports the outage, as it should

    async def begin() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 2  # a busy machine is no fault of ours
        await lifecycle(Path(sys.argv[1]))

    asyncio.run(begin())
    gc.collect()  # an unretrieved exception is logged when it is collected


if __name__ == "__main__":
    main()
