"""Lists by the page: following `next`, with the page after this one under way while this one is used."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import aclosing, suppress
from typing import Any, NotRequired, TypedDict, cast

from bitbucket_auth_async.api.errors import ApiError, NoAnswerError
from bitbucket_auth_async.api.responses import parsed
from bitbucket_auth_async.api.retry_policy import Call
from bitbucket_auth_async.api.urls import is_under
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.json_types import is_list, is_mapping


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
    """Fetches pages, and knows the prefetches that are under way.

    A page that is fetched ahead waits as bytes: that takes a fraction of the memory, and many pages parsed at once,
    long before they are used, would set off the garbage collector again and again.

    Args:
        base_url: The address below which all pages must be.
        fetch: Fetches the JSON that a call asks for.
        fetch_bytes: The same before it is parsed.
    """

    def __init__(
        self, base_url: str, fetch: Callable[[Call], Awaitable[Any]], fetch_bytes: Callable[[Call], Awaitable[bytes]]
    ) -> None:
        """Fetch nothing yet."""
        self._base_url = base_url
        self._fetch = fetch
        self._fetch_bytes = fetch_bytes
        self._under_way: set[asyncio.Task[bytes]] = set()

    async def items(self, call: Call, *, prefetch: bool) -> AsyncGenerator[Any, None]:
        """Yield the items of all pages, from the one that *call* asks for."""
        async with aclosing(self.pages(call, prefetch=prefetch)) as pages:
            async for page in pages:
                for item in page["values"]:
                    yield item
                del page  # it need not be held while the next one comes

    async def pages(self, call: Call, *, prefetch: bool) -> AsyncGenerator[Page, None]:
        """Yield all pages, from the one that *call* asks for."""
        following: Call | None = call
        under_way: asyncio.Task[bytes] | None = None
        seen = set[str]()
        try:
            while following is not None:
                seen.add(following.url)
                page = self._judged(following, await self._answer(following, under_way), seen)
                following = None if (link := page.get("next")) is None else Call("GET", link)
                under_way = self._begin(following) if prefetch and following is not None else None
                yield page
                del page
        finally:
            if under_way is not None:
                under_way.cancel()  # once it is done, that only says that nobody will ask for its error

    async def aclose(self) -> None:
        """End the prefetches that are under way."""
        tasks = tuple(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, call: Call) -> "asyncio.Task[bytes]":
        task = asyncio.create_task(self._bytes(call), name="prefetch of the next page")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _bytes(self, call: Call) -> bytes:
        return await self._fetch_bytes(call)

    async def _answer(self, call: Call, under_way: "asyncio.Task[bytes] | None") -> Any:  # noqa: ANN401 - JSON
        if under_way is not None:
            body = await _joined(under_way)
            with suppress(NoAnswerError):  # broken: it is asked for again, with the patience that is due
                return parsed(call, body)
        return await self._fetch(call)

    def _judged(self, call: Call, page: object, seen: AbstractSet[str]) -> Page:
        """Return the page.

        Raises:
            ApiError: It is none, or its `next` leads elsewhere, or in a circle.
        """
        if not is_mapping(page) or not is_list(page.get("values")):
            raise _wrong(call, "the answer is no page of a list: it has no values", "Ask for it without pages.")
        link = page.get("next")
        if link is not None and (not isinstance(link, str) or not is_under(self._base_url, link)):
            raise _wrong(call, f"the next page is not below {self._base_url}", "It was not asked for.")
        if link in seen:
            raise _wrong(call, "the pages lead in a circle", "The next one was here before.")
        return cast("Page", page)


async def _joined(task: "asyncio.Task[bytes]") -> bytes:
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
