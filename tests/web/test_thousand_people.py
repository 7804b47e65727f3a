"""A thousand people of one process sign in at once, and call at once after an expiry."""

import asyncio
import gc
import resource
import sys
import tracemalloc
from collections import Counter

import aiohttp
import pytest

from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.server import serve as serve_fake
from tests.support.web_apps import serve_aiohttp, serve_starlette
from tests.support.web_sign_in import Browser, Serve, web_world

TOKEN_TEXT = 2 * 2600
"""Bytes of the text of a token and its refresh token, which can't be reduced."""
COUNTED = 40
"""People; a sign-in under tracemalloc is slow, and more people give the same figure."""


@pytest.mark.parametrize("serve, count", [(serve_aiohttp, 1000), (serve_starlette, 200)])
async def test_a_thousand_concurrent_people_cause_one_renewal_each(
    serve: Serve, count: int, fake_clock: FakeClock, fake_bitbucket: FakeBitbucket
) -> None:
    persons = [fake_bitbucket.register_person(f"person-{number}") for number in range(count)]
    async with (
        serve_fake(fake_bitbucket) as site,
        web_world(serve, fake_bitbucket, site, clock=fake_clock) as world,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=200)) as people,
    ):
        browsers = [Browser(people, world.base_url) for _ in persons]
        async with asyncio.TaskGroup() as tasks:
            for browser, person in zip(browsers, persons, strict=True):
                tasks.create_task(browser.sign_in(fake_bitbucket, person))
        assert len(world.pool.managers) == count
        assert fake_bitbucket.token_requests == count

        await fake_clock.advance(3600)  # every token has expired
        calls = await asyncio.gather(*(browser.go("/me") for browser in browsers for _ in range(3)))
        assert Counter(page.status for page in calls) == {200: 3 * count}
        assert {page.text for page in calls} == set(world.pool.managers)
        assert fake_bitbucket.token_requests == 2 * count  # one renewal each
        assert fake_bitbucket.second_spends == []


async def test_a_signed_in_person_takes_limited_memory(fake_clock: FakeClock) -> None:
    fake = FakeBitbucket(fake_clock)
    async with serve_fake(fake) as site, web_world(serve_aiohttp, fake, site, clock=fake_clock) as world:
        for number in range(20):  # objects that are created once exist by then
            await world.browser().sign_in(fake, fake.register_person(f"early-{number}"))
        gc.collect()
        tracemalloc.start(16)
        ours = "*/bitbucket_auth_async/[!t]*"  # without the fake's own memory
        filters = (tracemalloc.Filter(inclusive=True, filename_pattern=ours, all_frames=True),)
        before = tracemalloc.take_snapshot().filter_traces(filters)
        for number in range(COUNTED):
            await world.browser().sign_in(fake, fake.register_person(f"person-{number}"))
        gc.collect()
        after = tracemalloc.take_snapshot().filter_traces(filters)
        tracemalloc.stop()
        grown = sum(each.size_diff for each in after.compare_to(before, "filename")) / COUNTED
    print(f"{grown:.0f} bytes a person, of which {TOKEN_TEXT} are the text of the tokens")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most, on {sys.platform}")
    assert grown < TOKEN_TEXT + 16_000
