"""Held: the token in hand, and its moments on the boot clock."""

import pytest

from bitbucket_auth_async.manager.cached_token import held_now, held_since
from bitbucket_auth_async.renewal.timing import Deadlines, Timing
from bitbucket_auth_async.runtime.clocks import jitter
from bitbucket_auth_async.testing.fake_clock import FakeClock
from tests.support.record_values import NOW, pair

LATE = Timing(refresh_ahead=30)  # no earlier than the leeway, so that jitter has no say


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=NOW, boot=500.0)


def test_r5_a_token_that_we_asked_for_counts_from_then_on_the_boot_clock_alone(clock: FakeClock) -> None:
    token = pair("a", issued=0.0)
    clock.step_wall(-1e6)
    assert held_since(token, 500.0, LATE).deadlines == Deadlines(500.0 + 3570, 500.0 + 3570)


def test_r5_a_token_from_a_store_counts_by_what_the_wall_clock_says_is_left(clock: FakeClock) -> None:
    token = pair("a", issued=-600.0)
    assert held_now(token, clock, LATE).deadlines == Deadlines(500.0 + 2970, 500.0 + 2970)


def test_looking_again_is_worth_it_once_the_token_is_stale(clock: FakeClock) -> None:
    token = pair("a", issued=0.0)
    for one in (held_now(token, clock, Timing()), held_since(token, 500.0, Timing())):
        assert one.token is token
        assert one.again_at == one.deadlines.stale_at < one.deadlines.expires_at


def test_jitter_spreads_between_nothing_and_one() -> None:
    drawn = [jitter() for _ in range(1000)]
    assert 0 <= min(drawn) < 0.1
    assert 0.9 < max(drawn) < 1
