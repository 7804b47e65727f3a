"""Before anything is measured: each adapter does what every scenario counts on."""

import asyncio
from pathlib import Path

from benchmarks.peers.peer import Peer
from benchmarks.peers.world import World


class UnfitError(Exception):
    """An adapter does not do what it is to be measured at."""


async def prove(adapter: type[Peer], world: World, file: Path) -> None:
    """Let one library hand out a token that is good, renew one that is not, save it, and begin again from the file.

    Raises:
        UnfitError: It does not.
    """
    await _hands_out(adapter, world)
    if "at_expiry" not in adapter.LACKS:
        await _renews_and_saves(adapter, world, file)


async def _hands_out(adapter: type[Peer], world: World) -> None:
    sign_in = world.sign_in()
    before = world.requests()["requests"]
    peer = adapter(world, None)
    await peer.start(sign_in)
    _see(await peer.get_token() == sign_in.access_token, adapter, "does not hand out the token of the sign-in")
    if "request" not in adapter.LACKS:
        _see(await peer.get(world.api) == 200, adapter, "does not reach the API")
    _see(world.requests()["requests"] == before, adapter, "renews a token that is good")
    await peer.aclose()


async def _renews_and_saves(adapter: type[Peer], world: World, file: Path) -> None:
    sign_in = world.sign_in(left=-2)
    peer = adapter(world, file)
    await peer.start(sign_in)
    token = await peer.get_token()
    _see(token != sign_in.access_token and token in world.expiries(), adapter, "does not renew an expired token")
    _see(world.survives(await peer.next_refresh_token()), adapter, "does not keep the new refresh token")
    await peer.aclose()
    await asyncio.sleep(0)
    again = adapter(world, file)
    await again.start(None)
    _see(await again.get_token() == token, adapter, "does not find again what was saved")
    await again.aclose()


def _see(good: bool, adapter: type[Peer], what: str) -> None:  # noqa: FBT001 - it is what it asks
    if not good:
        msg = f"The adapter of {adapter.TITLE} {what}."
        raise UnfitError(msg)
