"""R6, R7: a program that occupies every connection or thread does not starve the renewal."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import aiohttp

from bitbucket_auth_async import ClientCredentials, Token, TokenManager
from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.telemetry.events import Event
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve, server_at
from tests.support.clocks import ShiftedClock


async def test_r6_r7_callers_that_hold_every_connection_do_not_starve_the_renewal() -> None:
    """200 of them, on a session of ten connections, each held by the API until the token was renewed."""
    clock = ShiftedClock()
    fake = FakeBitbucket(clock)
    async with (
        serve(fake) as site,
        TokenManager(fake.client, server=site.server, clock=clock, on_event=_deaf) as manager,
        authenticated_session(manager, connector=aiohttp.TCPConnector(limit=10)) as http,
    ):
        old = await manager.adopt(fake.sign_in())
        url = f"{site.base_url}/2.0/user"
        with fake.inject(faults.hold(), times=10, at="api") as held:
            callers = [asyncio.create_task(_status(http, url)) for _ in range(200)]
            async with asyncio.timeout(20):
                while held.hits < 10:  # noqa: ASYNC110 - the fake tells of the first one alone
                    await asyncio.sleep(0.005)
                clock.advance(3600)
                new = await manager.get_token()
                callers += [asyncio.create_task(_status(http, url)) for _ in range(200)]
        async with asyncio.timeout(20):
            statuses = await asyncio.gather(*callers)
    assert new != old
    assert set(statuses) == {200}
    assert fake.token_requests == 1


async def test_r6_r7_synchronous_code_in_every_executor_thread_does_not_starve_the_renewal() -> None:
    """A name has to be looked up, which asyncio does in the threads that all wait for the token."""
    fake, loop = FakeBitbucket(), asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    async with serve(fake) as site:
        server = server_at(site.base_url.replace("127.0.0.1", "localhost"), fake)
        timing = Timing(request=5, lease=10)
        async with TokenManager(fake.client, grant=ClientCredentials(), server=server, timing=timing) as manager:

            def synchronous() -> Token:
                return asyncio.run_coroutine_threadsafe(manager.get_token(), loop).result()

            tokens = await asyncio.gather(*(loop.run_in_executor(None, synchronous) for _ in range(3)))
    assert len(set(tokens)) == 1
    assert fake.is_live(tokens[0].access_token)


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url) as response:
        await response.read()
        return response.status


def _deaf(event: Event) -> None:
    """Hear what happens, and do nothing."""
