import json

import pytest

from bitbucket_auth_async import BitbucketAuthError, LoginRequiredError
from bitbucket_auth_async.manager.snapshot import snapshot
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_clock import FakeClock
from tests.support.manager_world import World


@pytest.fixture
def world() -> World:
    return World()


async def test_a_manager_is_ok_before_its_first_call(world: World) -> None:
    found = world.manager().snapshot()
    assert found == {
        "key": "alice",
        "ok": True,
        "token": "none",
        "age": None,
        "expires_in": None,
        "scope": None,
        "error": None,
    }


async def test_a_token_is_good_and_then_expired(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    snapshots = [manager.snapshot()]
    for seconds in (3569, 1):
        await world.clock.advance(seconds)
        snapshots.append(manager.snapshot())
    assert [one["token"] for one in snapshots] == ["good", "good", "expired"]
    assert [one["age"] for one in snapshots] == [0.0, 3569.0, 3570.0]
    assert [one["expires_in"] for one in snapshots] == [3570.0, 1.0, 0.0]
    assert all(one["ok"] for one in snapshots), "an expired token is renewed for the next who asks"


async def test_in_an_outage_ok_is_true_while_the_token_is_valid(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3500)
    with world.fake.inject(faults.status(503), times=None):
        await manager.get_token()
        await manager.idle()
        during = manager.snapshot()
        await world.clock.advance(100)
        with pytest.raises(BitbucketAuthError):
            await manager.get_token()
        after = manager.snapshot()
    assert during["error"] is not None
    assert after["error"] is not None
    assert (during["ok"], during["token"]) == (True, "good")
    assert (after["ok"], after["token"]) == (False, "expired")
    assert after["error"]["retryable"]
    assert after["error"]["retry_in"] > 0
    assert "503" in after["error"]["message"]


async def test_a_dead_sign_in_is_not_ok_and_names_the_error(world: World) -> None:
    manager = world.manager()
    with pytest.raises(LoginRequiredError):
        await manager.get_token()
    found = manager.snapshot()
    assert found["error"] is not None
    assert (found["ok"], found["error"]["type"], found["error"]["retryable"]) == (False, "LoginRequiredError", False)


async def test_r11_it_is_json_and_holds_no_secret(world: World) -> None:
    manager = world.manager()
    token = await manager.adopt(world.fake.sign_in())
    text = json.dumps(manager.snapshot(), allow_nan=False)
    assert "account" in text
    for secret in (token.access_token, token.refresh_token, world.fake.client.client_secret):
        assert str(secret) not in text


def test_a_token_that_never_expires_is_json_too() -> None:
    token = Token(access_token="a", issued_at=FakeClock().wall())
    found = snapshot("alice", token, clock=FakeClock(), expires_at=float("inf"), failure=None)
    assert (found["token"], found["expires_in"]) == ("good", None)
    json.dumps(found, allow_nan=False)
