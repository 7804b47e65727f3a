"""Paging: all items in order, from the API alone, with the next page prefetched."""

import asyncio
import gc
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bitbucket_auth_async import TokenManager
from bitbucket_auth_async.api import ApiError, BitbucketAPI, NotFoundError
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket
from bitbucket_auth_async.testing.scripted_server import ReceivedRequest, always, answer, scripted_server
from tests.support.api_session import json_response, open_session


class PagedList:
    """A list of *pages* pages with two items each, linked by `next`; a page may be held back or missing."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.asked: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.missing: set[int] = set()

    async def __call__(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        number = int(parse_qs(urlsplit(request.target).query).get("page", ["1"])[0])
        self.asked.append(number)
        if number in self.gates:
            await self.gates[number].wait()
        if number in self.missing:
            writer.write(answer(404))
            return
        page: dict[str, Any] = {"values": [number * 10, number * 10 + 1]}
        if number < self.pages:
            page["next"] = f"http://{request.headers['host']}/2.0/list?page={number + 1}"
        writer.write(json_response(page))

    async def until_asked(self, number: int) -> None:
        async with asyncio.timeout(5):
            while number not in self.asked:  # noqa: ASYNC110 - a list sets no event
                await asyncio.sleep(0.001)


def prefetches() -> list[object]:
    return [task for task in asyncio.all_tasks() if "prefetch" in task.get_name()]


@pytest.mark.parametrize("prefetch", [True, False])
async def test_all_items_come_in_order(*, prefetch: bool) -> None:
    listing = PagedList(4)
    async with open_session(listing) as here:
        items = [item async for item in here.api.paginate("/list", prefetch=prefetch)]
    assert items == [10, 11, 20, 21, 30, 31, 40, 41]
    assert listing.asked == [1, 2, 3, 4]


async def test_the_first_url_comes_from_the_caller_and_the_others_from_the_server() -> None:
    async with open_session(PagedList(2)) as here:
        _ = [item async for item in here.api.paginate("/list/{x}", x="a b", pagelen=50, params={"q": "name"})]
        _ = [item async for item in here.api.paginate("/list", params={"pagelen": 7})]
        _ = [item async for item in here.api.paginate("/list?pagelen=8")]
    targets = [request.target for request in here.server.received]
    assert targets[:2] == ["/2.0/list/a%20b?pagelen=50&q=name", "/2.0/list?page=2"]
    assert targets[2::2] == ["/2.0/list?pagelen=7", "/2.0/list?pagelen=8"]


@pytest.mark.parametrize("prefetch", [True, False])
async def test_pages_gives_whole_pages(*, prefetch: bool) -> None:
    listing = PagedList(3)
    async with open_session(listing) as here:
        pages = [page async for page in here.api.pages("/list", prefetch=prefetch)]
    assert [page["values"] for page in pages] == [[10, 11], [20, 21], [30, 31]]
    assert ["next" in page for page in pages] == [True, True, False]
    assert listing.asked == [1, 2, 3]


async def test_the_next_page_is_fetched_while_this_one_is_used() -> None:
    listing = PagedList(3)
    async with open_session(listing) as here, aclosing(here.api.paginate("/list")) as items:
        assert await anext(items) == 10
        await listing.until_asked(2)
        assert await anext(items) == 11
        await asyncio.sleep(0.01)  # no event can tell that a request does not come
        assert listing.asked == [1, 2], "one page ahead, no more"


async def test_without_prefetch_a_page_is_fetched_when_it_is_needed() -> None:
    listing = PagedList(3)
    async with open_session(listing) as here, aclosing(here.api.paginate("/list", prefetch=False)) as items:
        assert [await anext(items), await anext(items)] == [10, 11]
        await asyncio.sleep(0.01)  # no event can tell that a request does not come
        assert listing.asked == [1]


async def test_a_failed_page_is_reported_after_the_items_before_it() -> None:
    listing = PagedList(3)
    listing.missing = {2}
    got: list[int] = []
    async with open_session(listing) as here:
        with pytest.raises(NotFoundError):  # noqa: PT012 - the error comes during the iteration
            async for item in here.api.paginate("/list"):
                got.append(item)  # noqa: PERF401 - an error comes during the iteration
    assert got == [10, 11]


@pytest.mark.parametrize("missing", [set[int](), {2}])
async def test_an_unused_prefetched_page_is_not_logged(missing: set[int]) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    listing = PagedList(3)
    listing.missing = missing
    async with open_session(listing) as here:
        async with aclosing(here.api.paginate("/list")) as items:
            assert await anext(items) == 10
            async with asyncio.timeout(5):
                while prefetches():  # noqa: ASYNC110 - the test must not wait for the task itself
                    await asyncio.sleep(0.001)
        del items
        gc.collect()
    assert complaints == []


async def test_stopping_early_cancels_the_prefetch() -> None:
    listing = PagedList(2)
    listing.gates[2] = asyncio.Event()
    async with open_session(listing) as here:
        async with aclosing(here.api.paginate("/list")) as items:
            assert await anext(items) == 10
            await listing.until_asked(2)
            assert len(prefetches()) == 1
        await asyncio.sleep(0)
        assert prefetches() == []


async def test_a_broken_prefetched_page_is_fetched_again() -> None:
    whole = PagedList(2)

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if len(here.server.received) == 2:
            writer.write(answer(200, b'{"values": [2', {"Content-Type": "application/json"}))
        else:
            await whole(request, writer)

    async with open_session(script) as here:
        assert [item async for item in here.api.paginate("/list")] == [10, 11, 20, 21]
    assert len(here.server.received) == 3


async def test_an_outage_during_a_prefetch_is_retried() -> None:
    whole = PagedList(2)

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if len(here.server.received) in {2, 3}:
            writer.write(json_response({}, 503))
        else:
            await whole(request, writer)

    async with open_session(script) as here:
        assert [item async for item in here.api.paginate("/list")] == [10, 11, 20, 21]
    assert len(here.server.received) == 4


async def test_cancelling_the_caller_cancels_the_prefetch() -> None:
    listing = PagedList(2)
    listing.gates[2] = asyncio.Event()

    async def all_items() -> list[int]:
        return [item async for item in here.api.paginate("/list")]

    async with open_session(listing) as here:
        task = asyncio.create_task(all_items())
        await listing.until_asked(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert prefetches() == []


async def test_closing_the_session_cancels_the_prefetch_and_says_so() -> None:
    listing = PagedList(2)
    listing.gates[2] = asyncio.Event()
    async with open_session(listing) as here:
        items = here.api.paginate("/list")
        assert await anext(items) == 10
        await listing.until_asked(2)
        await here.api.aclose()
        assert await anext(items) == 11
        with pytest.raises(ConfigurationError, match="closed"):
            await anext(items)


async def test_r12_a_next_page_on_another_host_is_not_requested() -> None:
    async with scripted_server(always(json_response({"values": []}))) as foreign:
        page = {"values": [1, 2], "next": f"{foreign.origin}/2.0/list?page=2"}
        async with open_session(always(json_response(page))) as here:
            with pytest.raises(ApiError, match="next page is not below"):
                await anext(here.api.paginate("/list"))
    assert foreign.received == []
    assert len(here.server.received) == 1


@pytest.mark.parametrize("link", [7, "", "/2.0/list?page=2", ["x"], "https://[::1"])
async def test_a_next_that_is_not_a_url_is_an_error(link: object) -> None:
    async with open_session(always(json_response({"values": [], "next": link}))) as here:
        with pytest.raises(ApiError, match="next page"):
            await anext(here.api.paginate("/list"))


@pytest.mark.parametrize("length", [1, 2, 3])
async def test_pages_that_form_a_loop_are_an_error(length: int) -> None:
    async def circle(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        number = len(here.server.received) % length
        writer.write(json_response({"values": [1], "next": f"http://{request.headers['host']}/2.0/list?page={number}"}))

    async with open_session(circle) as here:
        with pytest.raises(ApiError, match="form a loop"):
            async with asyncio.timeout(10):
                _ = [item async for item in here.api.paginate("/list")]
    assert len(here.server.received) == length + 1


@pytest.mark.parametrize("value", [{}, [], None, {"values": {}}, {"values": None}, "text"])
async def test_a_response_that_is_not_a_list_is_an_error(value: object) -> None:
    async with open_session(always(json_response(value))) as here:
        with pytest.raises(ApiError, match=r"no list of values. Use get\(\)"):
            await anext(here.api.paginate("/list"))


async def test_a_null_next_is_the_end() -> None:
    async with open_session(always(json_response({"values": [1], "next": None}))) as here:
        assert [item async for item in here.api.paginate("/list")] == [1]


async def test_an_invalid_path_is_refused_before_the_iteration() -> None:
    async with open_session(PagedList(1)) as here:
        with pytest.raises(ConfigurationError):
            here.api.paginate("/repositories/{workspace}")


async def test_all_repositories_of_the_fake_come_once() -> None:
    async with mock_bitbucket() as fake, TokenManager(fake.client) as manager, BitbucketAPI(manager) as api:
        fake.rest.repositories = 1_234
        await manager.adopt(fake.sign_in())
        slugs = [item["slug"] async for item in api.paginate("/repositories/{workspace}", workspace="acme")]
    assert slugs == [f"acme-{number}" for number in range(1, 1_235)]
