"""Checks before the measurements that each adapter does what the scenarios rely on."""

import asyncio
from pathlib import Path

from benchmarks.peers.peer import Peer
from benchmarks.peers.world import World


class UnfitError(Exception):
    """An adapter does not do what the scenarios rely on."""


async def check_adapter(adapter: type[Peer], world: World, file: Path) -> None:
    """Check that a library hands out a valid token, renews an expired one, saves it and loads it again.

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
    _need(await peer.get_token() == sign_in.access_token, adapter, "does not hand out the token of the sign-in")
    if "request" not in adapter.LACKS:
        _need(await peer.get(world.api) == 200, adapter, "does not reach the API")
    _need(world.requests()["requests"] == before, adapter, "renews a valid token")
    await peer.aclose()


async def _renews_and_saves(adapter: type[Peer], world: World, file: Path) -> None:
    sign_in = world.sign_in(left=-2)
    peer = adapter(world, file)
    await peer.start(sign_in)
    token = await peer.get_token()
    _need(token != sign_in.access_token and token in world.expiries(), adapter, "does not renew an expired token")
    _need(world.survives(await peer.next_refresh_token()), adapter, "does not keep the new refresh token")
    await peer.aclose()
    await asyncio.sleep(0)
    again = adapter(world, file)
    await again.start(None)
    _need(await again.get_token() == token, adapter, "does not load the token that it saved")
    await again.aclose()


def _need(fulfilled: bool, adapter: type[Peer], what: str) -> None:  # noqa: FBT001 - the condition to check
    if not fulfilled:
        msg = f"The adapter of {adapter.TITLE} {what}."
        raise UnfitError(msg)
