"""decide: every branch, by table."""

from dataclasses import replace

import pytest

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError, OutageError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.decide import LONGEST_REST, Fail, Spend, Use, View, Wait, decide, rest_left
from bitbucket_auth_async.renewal.record import Issuer, Record
from bitbucket_auth_async.renewal.timing import SKEW, Age
from tests.support.record_values import (
    BOT,
    NOBODY,
    NOW,
    PERSON,
    A,
    B,
    C,
    claimed,
    fingerprint_of,
    pair,
    record,
    rest,
    view,
)

FRESH, STALE, EXPIRED = Age
NEVER = float("inf")
ACCESS_ONLY = pair("a", refresh=False)
LASTING = pair("a", lifetime=None)
BOTS = record(ACCESS_ONLY, issuer=BOT)
DEAD = record(A, refused=fingerprint_of("a"))
DOUBTED = record(claim=claimed("you"))
RESTING = record(rest=rest())
OLD_PROGRAM = record(issuer=Issuer(token_endpoint="", client_id="", grant_type=""))
GONE = A.access_token
IS_DEAD = "The server no longer accepts the refresh token; sign in again."
ANOTHERS = (
    "The record under this key belongs to client {!r} at {}, "
    f"not to 'c' at {PERSON.token_endpoint}. Give each its own key."
)
TWO = (
    "The record under this key is the sign-in of {}, but this manager renews by client_credentials, "
    "which would turn one identity into another. Give each its own key."
)


@pytest.mark.parametrize(
    "found,seen,expected",
    [
        pytest.param(record(), view(FRESH), Use(A), id="fresh"),
        pytest.param(RESTING, view(FRESH), Use(A), id="fresh, whatever failed before"),
        pytest.param(record(), view(FRESH, rejected="another"), Use(A), id="R10: newer than the one refused"),
        pytest.param(DOUBTED, view(FRESH), Use(A, 1.0), id="R6: good, and another renews"),
        pytest.param(DOUBTED, view(STALE), Use(A, 1.0), id="R6: stale, and another renews"),
        pytest.param(DOUBTED, view(EXPIRED), Wait(), id="R1: expired, and another renews"),
        pytest.param(DOUBTED, view(FRESH, rejected=GONE), Wait(), id="R1: refused, and another renews"),
        pytest.param(record(None, claim=claimed()), view(EXPIRED), Wait(), id="R1: the first token is on its way"),
        pytest.param(record(claim=claimed(spends=None)), view(EXPIRED), Wait(), id="R1: another replays its grant"),
        pytest.param(RESTING, view(STALE), Use(A, 40.0), id="R7: stale, during a rest"),
        pytest.param(DOUBTED, view(FRESH, lapsed=True, reuse_grace=0.0), Use(A, NEVER), id="strict, in doubt, fresh"),
        pytest.param(DOUBTED, view(STALE, lapsed=True, reuse_grace=0.0), Use(A, NEVER), id="strict, in doubt, stale"),
        pytest.param(record(claim=claimed(spends=None)), view(lapsed=True), Use(A), id="a replay leaves no doubt"),
        pytest.param(DEAD, view(STALE), Use(A, NEVER), id="R8: refused, and still valid for a while"),
        pytest.param(record(ACCESS_ONLY), view(STALE), Use(ACCESS_ONLY, NEVER), id="no refresh token"),
        pytest.param(record(ACCESS_ONLY), view(rejected=GONE), Use(ACCESS_ONLY), id="nothing to force with"),
        pytest.param(record(ACCESS_ONLY), view(STALE, rejected=GONE), Use(ACCESS_ONLY), id="the same, when stale"),
        pytest.param(record(), view(still_accepted=True, rejected=GONE), Use(A), id="R10: accepted elsewhere"),
        pytest.param(
            DOUBTED,
            view(lapsed=True, reuse_grace=0.0, still_accepted=True, rejected=GONE),
            Use(A),
            id="R10: accepted elsewhere, and a strict server in doubt",
        ),
    ],
)
def test_when_decide_returns_use_or_wait(found: Record, seen: View, expected: Use | Wait) -> None:
    assert decide(found, seen) == expected


@pytest.mark.parametrize(
    "found,seen,spent,repeat,forced",
    [
        pytest.param(record(), view(STALE), A, False, False, id="stale"),
        pytest.param(record(), view(EXPIRED), A, False, False, id="expired"),
        pytest.param(record(), view(rejected=GONE), A, False, True, id="R10: refused"),
        pytest.param(record(), view(STALE, rejected=GONE), A, False, False, id="R10: refused, but due anyway"),
        pytest.param(record(), view(EXPIRED, rejected=GONE), A, False, False, id="R10: refused and expired"),
        pytest.param(DOUBTED, view(lapsed=True), A, True, False, id="R9: lapsed, and there is a grace"),
        pytest.param(DOUBTED, view(lapsed=True, rejected=GONE), A, True, False, id="R9: the same, refused"),
        pytest.param(DOUBTED, view(lapsed=True, reuse_grace=0.5), A, True, False, id="R9: the shortest grace is one"),
        pytest.param(DOUBTED, view(EXPIRED, lapsed=True, reuse_grace=0.0), A, True, False, id="R9: strict, at the end"),
        pytest.param(
            DOUBTED, view(lapsed=True, reuse_grace=0.0, rejected=GONE), A, True, True, id="strict, doubt, refused"
        ),
        pytest.param(record(claim=claimed(lost=True)), view(), A, True, False, id="R9: its owner says it was lost"),
        pytest.param(record(claim=claimed("me", lost=True)), view(), A, True, False, id="R9: we lost it"),
        pytest.param(record(claim=claimed("me")), view(STALE), A, False, False, id="ours, and nothing was sent"),
        pytest.param(record(claim=claimed("me", doubt_since=1.0)), view(), A, True, False, id="ours, with old doubt"),
        pytest.param(record(B, claim=claimed(spends="a")), view(lapsed=True), B, False, False, id="doubt of another"),
        pytest.param(replace(DEAD, spares=(B, C)), view(STALE), B, False, False, id="R8: the newest spare"),
        pytest.param(record(ACCESS_ONLY, spares=(B,)), view(STALE), B, False, False, id="R8: a spare is all there is"),
        pytest.param(record(spares=(B, C)), view(STALE), A, False, False, id="R8: spares come after the current one"),
        pytest.param(
            record(claim=claimed(lost=True), spares=(B, C)),
            view(EXPIRED),
            A,
            True,
            False,
            id="R9: with spares, the same",
        ),
        pytest.param(
            replace(DEAD, claim=claimed(spends="c", lost=True), spares=(B, C)),
            view(EXPIRED),
            C,
            True,
            False,
            id="R9: a spare in doubt is repeated before one that came later",
        ),
        pytest.param(
            record(spares=(B, C)), view(STALE, reuse_grace=0.0), C, False, False, id="R9: strict, the youngest alone"
        ),
        pytest.param(
            record(spares=(pair("d", issued=3499.0), B)),
            view(STALE, reuse_grace=0.0),
            pair("d", issued=3499.0),
            False,
            False,
            id="R9: strict, the youngest, while the present one lived",
        ),
        pytest.param(
            record(spares=(pair("d", issued=3500.0),)),
            view(STALE, reuse_grace=0.0),
            A,
            False,
            False,
            id="R1: strict, clocks that are further apart than a token lives tell no order",
        ),
        pytest.param(
            record(LASTING, spares=(pair("d", issued=1e9),)),
            view(STALE, reuse_grace=0.0),
            pair("d", issued=1e9),
            False,
            False,
            id="R9: strict, the present one has no end",
        ),
        pytest.param(
            record(C, spares=(B,), spent=(fingerprint_of("c"),)),
            view(STALE, reuse_grace=0.0),
            B,
            False,
            False,
            id="R9: strict, a spent token comes last on any clock",
        ),
        pytest.param(
            record(spent=(fingerprint_of("a"),)), view(STALE), A, True, False, id="R1: spent for sure, so a repeat"
        ),
        pytest.param(
            record(A, spares=(replace(B, refresh_token=A.refresh_token), C), refused=fingerprint_of("a")),
            view(STALE),
            C,
            False,
            False,
            id="R8: no spare that is the refused one in other clothes",
        ),
        pytest.param(replace(DEAD, issuer=BOT), view(EXPIRED, issuer=BOT), None, False, False, id="R8: the grant"),
        pytest.param(BOTS, view(STALE, issuer=BOT), None, False, False, id="a bot's, stale"),
        pytest.param(BOTS, view(issuer=BOT, rejected=GONE), None, False, True, id="a bot's, refused"),
        pytest.param(
            replace(BOTS, claim=claimed(spends=None)),
            view(EXPIRED, issuer=BOT, lapsed=True),
            None,
            False,
            False,
            id="a replay is no repeat",
        ),
    ],
)
def test_when_decide_returns_spend(found: Record, seen: View, spent: Token | None, repeat: bool, forced: bool) -> None:  # noqa: FBT001 - columns of the table
    decision = decide(found, seen)
    assert isinstance(decision, Spend)
    assert (decision.token, decision.repeat, decision.forced) == (spent, repeat, forced)


@pytest.mark.parametrize(
    "found,seen,error,text",
    [
        pytest.param(
            None,
            view(EXPIRED),
            LoginRequiredError,
            "No one has signed in under this key yet. Bring a person's token with exchange() or adopt(), "
            "or give a bot's manager grant=ClientCredentials().",
            id="nothing there",
        ),
        pytest.param(
            record(None, signed_out=True),
            view(EXPIRED),
            LoginRequiredError,
            "This identity has signed out; sign in again.",
            id="a tombstone",
        ),
        pytest.param(
            DEAD,
            view(EXPIRED),
            LoginRequiredError,
            IS_DEAD,
            id="R8: dead",
        ),
        pytest.param(
            DEAD,
            view(rejected=GONE),
            LoginRequiredError,
            IS_DEAD,
            id="R8: dead and refused",
        ),
        pytest.param(
            record(ACCESS_ONLY),
            view(EXPIRED),
            LoginRequiredError,
            "The token has expired and came without a refresh token; sign in again.",
            id="at its end",
        ),
        pytest.param(RESTING, view(EXPIRED), OutageError, "It was down. The next attempt is due in 40.0 s.", id="R7"),
        pytest.param(
            RESTING,
            view(rejected=GONE),
            OutageError,
            "It was down. The next attempt is due in 40.0 s.",
            id="R7: refused, during a rest",
        ),
        pytest.param(
            record(issuer=PERSON._replace(client_id="d")),
            view(),
            ConfigurationError,
            ANOTHERS.format("d", PERSON.token_endpoint),
            id="client",
        ),
        pytest.param(
            record(issuer=PERSON._replace(token_endpoint="https://b")),
            view(),
            ConfigurationError,
            ANOTHERS.format("c", "https://b"),
            id="server",
        ),
        pytest.param(
            record(), view(issuer=BOT), ConfigurationError, TWO.format("authorization_code"), id="R8: a person's"
        ),
        pytest.param(
            OLD_PROGRAM, view(issuer=BOT), ConfigurationError, TWO.format("a person"), id="R8: an older one's"
        ),
    ],
)
def test_when_decide_returns_fail(found: Record | None, seen: View, error: type[Exception], text: str) -> None:
    decision = decide(found, seen)
    assert isinstance(decision, Fail)
    assert type(decision.error) is error
    assert str(decision.error) == text


def test_r7_the_error_during_a_rest_has_retry_after() -> None:
    decision = decide(RESTING, view(EXPIRED))
    assert isinstance(decision, Fail)
    assert isinstance(decision.error, OutageError)
    assert decision.error.retry_after == 40.0


@pytest.mark.parametrize(
    "since,until,left",
    [
        (-5.0, -1.0, None),
        (-5.0, 0.0, None),
        (-5.0, 0.5, 0.5),
        (-5.0, LONGEST_REST, LONGEST_REST),
        (-5.0, LONGEST_REST + 1, None),
        (SKEW, 40.0, 40.0),
        (SKEW + 1, 40.0, None),
    ],
)
def test_a_rest_that_is_over_too_long_or_from_the_future_is_ignored(
    since: float, until: float, left: float | None
) -> None:
    assert rest_left(record(rest=rest(since=since, until=until)), NOW) == left


def test_without_a_rest_the_next_attempt_is_due() -> None:
    assert rest_left(record(), NOW) is None


@pytest.mark.parametrize(
    "lifetime,forced_before,least",
    [
        (3600.0, 0, 60.0),
        (None, 0, 60.0),
        (100.0, 0, 10.0),
        (3600.0, 1, 120.0),
        (3600.0, 3, 480.0),
        (1e7, 10, 61_440.0),
        (1e7, 99, 61_440.0),
    ],
)
def test_r10_each_forced_renewal_doubles_the_least_age_for_the_next(
    lifetime: float | None, forced_before: int, least: float
) -> None:
    def decision(age: float) -> object:
        return decide(record(pair("a", issued=-age, lifetime=lifetime), forced=forced_before), view(rejected=GONE))

    assert isinstance(decision(least - 0.5), Use)
    assert isinstance(decision(least), Spend)
    assert isinstance(decision(0.0), Use)
    assert isinstance(decision(-1.0), Spend), "a token from the future is of no age"


def test_a_bots_first_decision_spends_its_grant_in_generation_0() -> None:
    decision = decide(None, view(EXPIRED, issuer=BOT))
    claim = claimed("me", spends=None, process="9@9", since=NOW)
    assert decision == Spend(Record(issuer=BOT, generation=0, claim=claim), None, repeat=False, forced=False)


def test_a_manager_without_a_grant_uses_a_bots_record() -> None:
    assert decide(BOTS, view()) == Use(ACCESS_ONLY)


@pytest.mark.parametrize("grant_type", ["", "refresh_token"])
def test_a_claim_completes_the_record_of_an_older_program(grant_type: str) -> None:
    decision = decide(OLD_PROGRAM, view(STALE, issuer=NOBODY))
    assert isinstance(decision, Spend)
    assert decision.record.issuer == NOBODY._replace(grant_type="refresh_token")


def test_r9_a_repeat_keeps_the_time_of_the_first_doubt() -> None:
    for since, expected in ((None, NOW - 70), (5.0, 5.0)):
        decision = decide(record(claim=claimed(doubt_since=since)), view(lapsed=True))
        assert isinstance(decision, Spend)
        assert decision.record.claim == claimed("me", process="9@9", since=NOW, doubt_since=expected)
