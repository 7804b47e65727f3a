"""TokenCache: the cached token, and its deadlines on the boot clock."""

import pytest

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.manager.token_cache import TokenCache
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.renewal.timing import Deadlines, Timing
from bitbucket_auth_async.runtime.clocks import jitter
from bitbucket_auth_async.testing.fake_clock import FakeClock
from tests.support.record_values import NOW, pair

LATE = Timing(refresh_ahead=30)  # no earlier than the leeway, so that jitter changes nothing


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=NOW, boot=500.0)


def cache(clock: FakeClock, timing: Timing) -> TokenCache:
    shared = SharedResources(
        Client("id"),
        grant=None,
        store=None,
        server=BITBUCKET_CLOUD,
        transport=None,
        timing=timing,
        on_event=None,
        clock=clock,
    )
    return TokenCache(shared, "alice")


def test_r5_a_requested_token_ages_by_the_boot_clock_alone(clock: FakeClock) -> None:
    token = pair("a", issued=0.0)
    clock.step_wall(-1e6)
    cached = cache(clock, LATE).with_deadlines(token, requested_at=500.0)
    assert cached.deadlines == Deadlines(500.0 + 3570, 500.0 + 3570)


def test_r5_a_stored_token_lives_as_long_as_the_wall_clock_says(clock: FakeClock) -> None:
    token = pair("a", issued=-600.0)
    assert cache(clock, LATE).with_deadlines(token).deadlines == Deadlines(500.0 + 2970, 500.0 + 2970)


def test_the_store_is_read_again_once_the_token_is_stale(clock: FakeClock) -> None:
    token = pair("a", issued=0.0)
    tokens = cache(clock, Timing())
    for one in (tokens.with_deadlines(token), tokens.with_deadlines(token, requested_at=500.0)):
        assert one.token is token
        assert one.recheck_at == one.deadlines.stale_at < one.deadlines.expires_at


def test_jitter_is_spread_between_0_and_1() -> None:
    drawn = [jitter() for _ in range(1000)]
    assert 0 <= min(drawn) < 0.1
    assert 0.9 < max(drawn) < 1
