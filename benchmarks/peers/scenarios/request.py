"""What does a library add to a request?"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib import import_module
from statistics import median
from typing import Any

import aiohttp

from benchmarks.peers.peer import Peer
from benchmarks.peers.scenario import Column, Figures, in_child
from benchmarks.peers.world import World, opened

TITLE = "A request to the API"
WHAT = (
    "A GET of a small JSON document on an open connection, with a valid token. The baseline is the same request by a "
    "bare session of the same HTTP client with a static header, in turns in the same process. The figures are the "
    "client's CPU time: the whole request, which is mostly the HTTP client's, and the part that the library adds. A "
    "negative figure is possible: with an `auth`, the requests library does not look into .netrc."
)
COLUMNS = (
    Column("us", "µs a request"),
    Column("added", "added by the library, µs", noise=10),
    Column("ratio", "times a bare session", digits=3),
)
ROUNDS = 3
_REQUESTS = 10
_SLICES = 60

Get = Callable[[str], Awaitable[int]]


def conduct(peer: str, control: int) -> Figures:
    """Measure in a child process."""
    with opened(control) as world:
        return in_child("request", peer, world)


async def measure(peer: type[Peer], world: World) -> dict[str, float]:
    """Time slices of requests in turns with the baseline; each goes first in every other turn."""
    sign_in = world.sign_in()
    adapter = peer(world, None)
    await adapter.start(sign_in)
    ways: list[tuple[list[float], Get]] = []
    async with AsyncExitStack() as exits:
        bare = await _bare(peer.HTTP, {"Authorization": f"Bearer {sign_in.access_token}"}, exits)
        ways = [([], bare), ([], adapter.get)]
        for _, get in ways:
            assert await get(world.api) == 200
        for number in range(_SLICES):
            for seconds, get in ways if number % 2 else reversed(ways):
                begun = time.process_time()
                for _ in range(_REQUESTS):
                    await get(world.api)
                seconds.append(time.process_time() - begun)
    await adapter.aclose()
    (baselines, _), (candidates, _) = ways
    pairs = list(zip(baselines, candidates, strict=True))
    added = median(one - base for base, one in pairs)
    return {
        "us": median(candidates) * 1e6 / _REQUESTS,
        "added": added * 1e6 / _REQUESTS,
        "ratio": median(one / base for base, one in pairs),
    }


async def _bare(http: str | None, headers: dict[str, str], exits: AsyncExitStack) -> Get:
    """Return a GET by a bare session of the named HTTP client."""
    if http == "aiohttp":
        session = await exits.enter_async_context(aiohttp.ClientSession(headers=headers))

        async def get(url: str) -> int:
            async with session.get(url) as response:
                await response.read()
                return response.status

        return get
    if http == "requests":
        return _bare_requests(headers, exits)
    return await _bare_httpx(http, headers, exits)


async def _bare_httpx(http: str | None, headers: dict[str, str], exits: AsyncExitStack) -> Get:
    library: Any = import_module(http or "httpx")
    client = await exits.enter_async_context(library.AsyncClient(headers=headers))

    async def get(url: str) -> int:
        return int((await client.get(url)).status_code)

    return get


def _bare_requests(headers: dict[str, str], exits: AsyncExitStack) -> Get:
    library: Any = import_module("requests")
    session = exits.enter_context(library.Session())
    session.headers.update(headers)

    async def get(url: str) -> int:
        return int(session.get(url, timeout=30).status_code)

    return get
