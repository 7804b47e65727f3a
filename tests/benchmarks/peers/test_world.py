"""The fake Bitbucket of the measurements, controlled from another process."""

import pytest

from benchmarks.peers.world import SignIn, World
from bitbucket_auth_async import LoginRequiredError, RefreshToken, TokenManager
from bitbucket_auth_async.errors import BitbucketAuthError


async def renewed(world: World, sign_in: SignIn) -> str | None:
    async with TokenManager(world.client, server=world.server, key="alice") as manager:
        return (await manager.exchange(RefreshToken(sign_in.refresh_token))).refresh_token


async def test_a_refresh_token_survives_until_it_is_spent(lenient: World) -> None:
    sign_in = lenient.sign_in()
    assert lenient.survives(sign_in.refresh_token)
    successor = await renewed(lenient, sign_in)
    assert not lenient.survives(sign_in.refresh_token)
    assert lenient.survives(successor)
    assert not lenient.survives(None)


async def test_a_second_use_is_counted_and_ends_a_sign_in_only_at_a_strict_server(
    lenient: World, strict: World
) -> None:
    for world in (lenient, strict):
        sign_in = world.sign_in()
        successor = await renewed(world, sign_in)
        if world is strict:
            with pytest.raises(LoginRequiredError):
                await renewed(world, sign_in)
        else:
            await renewed(world, sign_in)
        assert world.requests() == {"requests": 2, "again": 1}
        assert world.survives(successor) == (world is lenient)


async def test_a_sign_in_has_the_expiry_of_its_token(lenient: World) -> None:
    sign_in = lenient.sign_in(left=7)
    assert lenient.expiries()[sign_in.access_token] == pytest.approx(sign_in.expires_at, abs=0.5)
    assert sign_in.expires_at - sign_in.issued_at == 3600


async def test_a_fault_hits_requests_until_it_is_cleared(lenient: World) -> None:
    sign_in = lenient.sign_in()
    lenient.inject("status", code=503)
    with pytest.raises(BitbucketAuthError) as caught:
        await renewed(lenient, sign_in)
    assert caught.value.retryable
    lenient.clear_faults()
    assert await renewed(lenient, sign_in) is not None


async def test_a_world_can_be_sent_to_another_process(lenient: World) -> None:
    assert World.from_json(lenient.to_json()) == lenient
