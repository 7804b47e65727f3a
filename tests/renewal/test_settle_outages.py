"""outcome_of and backoff: the kind of a failure, and the rest after it."""

import pytest

from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    ConfigurationError,
    InvalidClientError,
    InvalidGrantError,
    OAuthError,
    TransportError,
    UnavailableError,
)
from bitbucket_auth_async.renewal.decide import LONGEST_REST
from bitbucket_auth_async.renewal.settle import Misconfigured, Outage, Outcome, Refused, backoff, outcome_of


@pytest.mark.parametrize(
    "error,outcome",
    [
        (InvalidGrantError("invalid_grant", status=400), Refused()),
        (InvalidClientError("invalid_client", status=401), Misconfigured()),
        (OAuthError("invalid_scope", status=400), Misconfigured()),
        (TransportError("reset", sent=True), Outage("reset", harmless=False)),
        (TransportError("no name", sent=False), Outage("no name", harmless=True)),
        (UnavailableError("down", status=503), Outage("down", harmless=False)),
        (UnavailableError("busy", status=429, retry_after=7.0), Outage("busy", harmless=True, retry_after=7.0)),
        (UnavailableError("HTML", status=200), Outage("HTML", harmless=False)),
        (ConfigurationError("no key for the JWT"), Misconfigured()),
    ],
)
def test_r7_outage_refusal_and_misconfiguration_are_told_apart(error: BitbucketAuthError, outcome: Outcome) -> None:
    assert outcome_of(error) == outcome


@pytest.mark.parametrize(
    "attempts,jitter,seconds",
    [(1, 0.0, 0.75), (1, 0.5, 1.0), (1, 1.0, 1.25), (2, 0.5, 2.0), (6, 0.5, 32.0), (7, 0.5, 60.0), (10**6, 1.0, 75.0)],
)
def test_r7_rests_double_up_to_a_minute_with_jitter(attempts: int, jitter: float, seconds: float) -> None:
    assert backoff(attempts, jitter=jitter) == seconds


@pytest.mark.parametrize(
    "asked,seconds", [(0.5, 1.0), (100.0, 100.0), (LONGEST_REST, LONGEST_REST), (1e9, LONGEST_REST)]
)
def test_r7_retry_after_is_honoured_up_to_an_hour(asked: float, seconds: float) -> None:
    assert backoff(1, jitter=0.5, retry_after=asked) == seconds


def test_r7_a_rest_takes_at_most_half_of_the_tokens_remaining_time() -> None:
    assert backoff(7, jitter=0.5, left=10.0) == 5.0
    assert backoff(1, jitter=0.5, left=10.0) == 1.0
    assert backoff(7, jitter=0.5, left=0.1) == 0.25
    assert backoff(7, jitter=0.5, left=-1.0) == 60.0
    assert backoff(1, jitter=0.5, retry_after=20.0, left=10.0) == 20.0
