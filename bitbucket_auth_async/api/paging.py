"""Paging: follow `next` from page to page, and fetch the next page while the caller uses this one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import aclosing, suppress
from typing import Any, NotRequired, TypedDict, cast

from bitbucket_auth_async.api.errors import ApiError, NoAnswerError
from bitbucket_auth_async.api.request import ApiRequest
from bitbucket_auth_async.api.responses import parse_json
from bitbucket_auth_async.api.urls import is_under
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.json_types import is_list, is_mapping


class Page(TypedDict):
    """One page of a list; only `values` is always present, and the last page has no `next`.

    https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination
    """

    values: list[Any]
    next: NotRequired[str]
    previous: NotRequired[str]
    pagelen: NotRequired[int]
    page: NotRequired[int]
    size: NotRequired[int]


class Paginator:
    """Fetches the pages of lists, and keeps track of its running prefetches.

    A prefetched page is kept as bytes until it is used. That takes a fraction of the memory, and many parsed pages
    would trigger the garbage collector again and again.

    Args:
        base_url: All pages must lie below this URL.
        fetch: Returns the JSON for a request.
        fetch_bytes: Returns the same JSON unparsed.
    """

    def __init__(
        self,
        base_url: str,
        fetch: Callable[[ApiRequest], Awaitable[Any]],
        fetch_bytes: Callable[[ApiRequest], Awaitable[bytes]],
    ) -> None:
        """Fetch nothing yet."""
        self._base_url = base_url
        self._fetch = fetch
        self._fetch_bytes = fetch_bytes
        self._prefetches: set[asyncio.Task[bytes]] = set()

    async def items(self, request: ApiRequest, *, prefetch: bool) -> AsyncGenerator[Any, None]:
        """Yield the items of all pages, beginning with the page of *request*."""
        async with aclosing(self.pages(request, prefetch=prefetch)) as pages:
            async for page in pages:
                for item in page["values"]:
                    yield item
                del page  # free it before the next one arrives

    async def pages(self, request: ApiRequest, *, prefetch: bool) -> AsyncGenerator[Page, None]:
        """Yield all pages, beginning with the page of *request*."""
        following: ApiRequest | None = request
        task: asyncio.Task[bytes] | None = None
        seen = set[str]()
        try:
            while following is not None:
                seen.add(following.url)
                page = self._checked(following, await self._get(following, task), seen)
                following = None if (link := page.get("next")) is None else ApiRequest("GET", link)
                task = self._start_prefetch(following) if prefetch and following is not None else None
                yield page
                del page
        finally:
            if task is not None:
                task.cancel()  # on a finished task this only marks its error as retrieved

    async def aclose(self) -> None:
        """Cancel all running prefetches."""
        tasks = tuple(self._prefetches)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start_prefetch(self, request: ApiRequest) -> "asyncio.Task[bytes]":
        task = asyncio.create_task(self._bytes(request), name="prefetch of the next page")
        self._prefetches.add(task)
        task.add_done_callback(self._prefetches.discard)
        return task

    async def _bytes(self, request: ApiRequest) -> bytes:
        return await self._fetch_bytes(request)

    async def _get(self, request: ApiRequest, task: "asyncio.Task[bytes] | None") -> Any:  # noqa: ANN401 - JSON
        if task is not None:
            body = await _result_of(task)
            with suppress(NoAnswerError):  # broken JSON: fetch it again, with retries
                return parse_json(request, body)
        return await self._fetch(request)

    def _checked(self, request: ApiRequest, page: object, seen: AbstractSet[str]) -> Page:
        """Return the page.

        Raises:
            ApiError: It is not a page, or its `next` leads elsewhere or to an earlier page.
        """
        if not is_mapping(page) or not is_list(page.get("values")):
            raise _page_error(request, "the response has no list of values", "Use get() for what is not a list.")
        link = page.get("next")
        if link is not None and (not isinstance(link, str) or not is_under(self._base_url, link)):
            raise _page_error(request, f"the next page is not below {self._base_url}", "It was not requested.")
        if link in seen:
            raise _page_error(request, "the pages form a loop", "The next page was fetched before.")
        return cast("Page", page)


async def _result_of(task: "asyncio.Task[bytes]") -> bytes:
    """Return what the prefetch got; cancelling the caller cancels the prefetch too.

    Raises:
        ConfigurationError: The session was closed while waiting.
    """
    try:
        return await task
    except asyncio.CancelledError:
        us = asyncio.current_task()
        if us is not None and us.cancelling():
            raise
    msg = "This BitbucketAPI was closed before the next page arrived. Close it after the last page."
    raise ConfigurationError(msg)


def _page_error(request: ApiRequest, message: str, advice: str) -> ApiError:
    return ApiError(message, method=request.method, path=request.path, status=200, advice=advice)
