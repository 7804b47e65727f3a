"""Lists by the page: following `next`, with the page after this one under way while this one is used."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NotRequired, TypedDict, cast

from bitbucket_auth_async.api.addresses import is_under
from bitbucket_auth_async.api.errors import ApiError
from bitbucket_auth_async.api.persistence import Call
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.plain import is_list, is_mapping


class Page(TypedDict):
    """One page of a list; only `values` is always there, and no `next` means the end.

    https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination
    """

    values: list[Any]
    next: NotRequired[str]
    previous: NotRequired[str]
    pagelen: NotRequired[int]
    page: NotRequired[int]
    size: NotRequired[int]


class Pages:
    """Fetches pages, and knows the prefetches that are under way."""

    def __init__(self, base_url: str, fetch: Callable[[Call], Awaitable[Any]]) -> None:
        """Take the address below which all pages must be, and what fetches one."""
        self._base_url = base_url
        self._fetch = fetch
        self._under_way: set[asyncio.Task[Page]] = set()

    async def items(self, call: Call, *, prefetch: bool) -> AsyncGenerator[Any, None]:
        """Yield the items of all pages, from the one that *call* asks for."""
        page = await self._page(call)
        while True:
            following = None if (link := page.get("next")) is None else Call("GET", link)
            under_way = self._begin(following) if prefetch and following is not None else None
            try:
                for item in page["values"]:
                    yield item
                if following is None:
                    return
                page = await (self._page(following) if under_way is None else _joined(under_way))
            finally:
                if under_way is not None:
                    under_way.cancel()  # of no effect once it is done

    async def aclose(self) -> None:
        """End the prefetches that are under way."""
        tasks = tuple(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, call: Call) -> "asyncio.Task[Page]":
        task = asyncio.create_task(self._page(call), name="prefetch of the next page")
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Page]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, since whoever iterates may have stopped before this page

    async def _page(self, call: Call) -> Page:
        """Return the page.

        Raises:
            ApiError: It is none, or its `next` leads elsewhere.
        """
        page = await self._fetch(call)
        if not is_mapping(page) or not is_list(page.get("values")):
            raise _wrong(call, "the answer is no page of a list: it has no values", "get() reads what is not a list.")
        link = page.get("next")
        if link is not None and (not isinstance(link, str) or link == call.url or not is_under(self._base_url, link)):
            raise _wrong(call, f"the next page is not below {self._base_url}, or is this one", "It was not asked for.")
        return cast("Page", page)


async def _joined(task: "asyncio.Task[Page]") -> Page:
    """Return what was fetched beside us; who is cancelled here cancels that too.

    Raises:
        ConfigurationError: The session was closed meanwhile.
    """
    try:
        return await task
    except asyncio.CancelledError:
        us = asyncio.current_task()
        if us is not None and us.cancelling():
            raise
    msg = "The BitbucketAPI was closed before the next page was there."
    raise ConfigurationError(msg)


def _wrong(call: Call, message: str, advice: str) -> ApiError:
    return ApiError(message, method=call.method, path=call.path, status=200, advice=advice)
