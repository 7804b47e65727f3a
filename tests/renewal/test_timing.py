"""deadlines and Timing: a token's deadlines on the boot clock, and the numbers of the protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.timing import Age, Deadlines, Timing, deadlines, valid_for
from tests.support.record_values import NOW, pair

BOOT = 1000.0
NEVER = Deadlines(float("inf"), float("inf"))
LONG_AGO = Deadlines(float("-inf"), float("-inf"))


def moments(token: Token, *, jitter: float = 0.0, refresh_ahead: float | None = None) -> tuple[float, float]:
    """Return in how many seconds the token becomes stale, and expires."""
    found = deadlines(token, wall=NOW, boot=BOOT, timing=Timing(refresh_ahead=refresh_ahead), jitter=jitter)
    return found.stale_at - BOOT, found.expires_at - BOOT


@pytest.mark.parametrize(
    "lifetime,ahead,leeway",
    [
        pytest.param(7200.0, 720.0, 30.0, id="a tenth of the lifetime"),
        pytest.param(3000.0, 300.0, 30.0, id="both rules agree"),
        pytest.param(1200.0, 300.0, 30.0, id="five minutes at least"),
        pytest.param(400.0, 200.0, 30.0, id="half the lifetime at most"),
        pytest.param(100.0, 50.0, 10.0, id="R5: a leeway of a tenth"),
        pytest.param(8.0, 4.0, 0.8, id="the shortest"),
    ],
)
def test_a_token_becomes_stale_and_then_expires_a_leeway_early(lifetime: float, ahead: float, leeway: float) -> None:
    assert moments(pair("a", issued=0.0, lifetime=lifetime)) == pytest.approx((lifetime - ahead, lifetime - leeway))


def test_refresh_ahead_may_be_chosen_up_to_half_the_lifetime() -> None:
    token = pair("a", issued=0.0)
    assert moments(token, refresh_ahead=60) == (3540.0, 3570.0)
    assert moments(token, refresh_ahead=1800) == (1800.0, 3570.0)
    assert moments(token, refresh_ahead=9999) == (1800.0, 3570.0)


def test_refresh_ahead_is_at_least_the_leeway() -> None:
    assert moments(pair("a", issued=0.0), refresh_ahead=5) == (3570.0, 3570.0)


def test_jitter_shortens_refresh_ahead_by_a_fifth_at_most() -> None:
    token = pair("a", issued=0.0, lifetime=7200.0)
    assert moments(token, jitter=1.0) == (7200.0 - 576.0, 7170.0)
    assert moments(token, jitter=0.5) == (7200.0 - 648.0, 7170.0)
    assert moments(token, jitter=1.0, refresh_ahead=32) == (7170.0, 7170.0)


def test_deadlines_count_from_the_remaining_time() -> None:
    assert moments(pair("a", issued=-3000.0, lifetime=7200.0)) == (4200.0 - 720.0, 4170.0)


@pytest.mark.parametrize("issued", [0.0, 30.0])
def test_r5_a_token_from_a_clock_ahead_by_the_leeway_is_accepted(issued: float) -> None:
    assert moments(pair("a", issued=issued)) == (issued + 3240.0, issued + 3570.0)


def test_r5_a_token_from_the_future_counts_as_expired() -> None:
    token = pair("a", issued=30.5)
    assert deadlines(token, wall=NOW, boot=BOOT, timing=Timing(), jitter=0.0) == LONG_AGO


def test_a_token_without_a_lifetime_is_fresh_for_ever() -> None:
    assert deadlines(pair("a", lifetime=None), wall=NOW, boot=BOOT, timing=Timing(), jitter=0.0) == NEVER


@given(
    issued=st.floats(-1e5, 1e5),
    lifetime=st.floats(-100, 1e5),
    jitter=st.floats(0, 1),
    ahead=st.none() | st.floats(0.001, 1e5),
)
def test_r5_no_token_is_valid_within_the_leeway_of_its_expiry(
    issued: float, lifetime: float, jitter: float, ahead: float | None
) -> None:
    token = pair("a", issued=issued, lifetime=lifetime)
    timing = Timing(refresh_ahead=ahead)
    found = deadlines(token, wall=NOW, boot=BOOT, timing=timing, jitter=jitter)
    assert found.stale_at <= found.expires_at
    left = (token.expires_at or 0.0) - NOW
    assert left > 0 or found.age(BOOT) is Age.EXPIRED
    assert found.expires_at <= BOOT + left - min(30.0, lifetime / 10) + 1e-6


def test_a_token_is_fresh_then_stale_then_expired() -> None:
    ages = [Deadlines(10.0, 20.0).age(boot) for boot in (9.9, 10.0, 19.9, 20.0)]
    assert ages == [Age.FRESH, Age.STALE, Age.STALE, Age.EXPIRED]


def test_the_defaults_match_the_documentation() -> None:
    assert Timing() == Timing(refresh_ahead=None, request=30.0, lease=60.0, deadline=90.0, store=10.0, closing=35.0)


@pytest.mark.parametrize("name", ["refresh_ahead", "request", "lease", "deadline", "store", "closing"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "20"])
def test_each_number_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"^Timing\.{name} is {value!r}; give a number of seconds greater than 0\.$"
    ):
        Timing(**{name: value})


def test_small_numbers_are_accepted() -> None:
    assert Timing(refresh_ahead=0.5, request=0.1, lease=0.2, deadline=0.3, store=0.4, closing=0.5).lease == 0.2


def test_r1_a_lease_lasts_at_least_two_token_requests() -> None:
    assert Timing(request=30, lease=60).lease == 60
    with pytest.raises(
        ConfigurationError, match=r"^Timing\.lease \(59\.9 s\) must be at least twice Timing\.request \(30 s\)"
    ):
        Timing(request=30, lease=59.9)


@pytest.mark.parametrize(
    "lifetime,wall,seconds",
    [(3600.0, 0.0, 3570.0), (3600.0, 3600.0, -30.0), (100.0, 0.0, 90.0), (100.0, 50.0, 40.0)],
)
def test_r5_a_token_is_valid_until_the_leeway_before_its_expiry(lifetime: float, wall: float, seconds: float) -> None:
    issued = 1_000.0
    token = Token(access_token="a", issued_at=issued, expires_at=issued + lifetime)
    assert valid_for(token, issued + wall) == seconds


def test_r5_a_token_without_an_expiry_is_valid_for_ever() -> None:
    assert valid_for(Token(access_token="a", issued_at=0.0), 1e12) == float("inf")
