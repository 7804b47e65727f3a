"""settle: the record after each kind of answer, by table."""

from dataclasses import replace

import pytest

from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.decide import Fail, Spend, decide
from bitbucket_auth_async.renewal.record import Claim, Record, Rest
from bitbucket_auth_async.renewal.settle import (
    Attempt,
    Interrupted,
    Misconfigured,
    Outage,
    Outcome,
    Refused,
    Renewed,
    settle,
)
from bitbucket_auth_async.renewal.timing import Age
from tests.support.record_values import (
    BOT,
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

ATTEMPT = Attempt(owner="me", generation=7, issuer=PERSON, spends=fingerprint_of("a"))
REPLAY = ATTEMPT._replace(issuer=BOT, spends=None)
WITHOUT_STORE = REPLAY._replace(generation=None)
SPARE = pair("d", issued=-60.0)
ACCESS_ONLY = pair("a", refresh=False)
YOUNGER_ACCESS = pair("b", refresh=False, issued=-10.0)
TWIN_ACCESS = replace(ACCESS_ONLY, access_token="twin")
OLDER_ACCESS = pair("c", refresh=False, issued=-200.0)
SAME_REFRESH = replace(B, refresh_token=A.refresh_token)
"""The token of a server that does not rotate."""
YOUNGER_SAME = replace(C, refresh_token=A.refresh_token)
SAME_ACCESS = replace(B, access_token=A.access_token)
"""The token of a server that returns its present access token until that expires."""
SAME_PAIR = replace(A, issued_at=B.issued_at, expires_at=B.expires_at)
"""The same, and it does not rotate."""
OLDER_PAIR = replace(A, issued_at=A.issued_at - 50)
SHORT_LIVED = pair("a", issued=-8.0, lifetime=10.0)
"""Valid for one more second before the leeway."""
MINE = record(claim=claimed("me"))
DOWN = Outage("It was down.", harmless=False)
BUSY = Outage("It was busy.", harmless=True)
BROKEN = Outage("It broke.", harmless=False, broken=True)


def after(found: Record | None, outcome: Outcome, attempt: Attempt = ATTEMPT) -> Record | None:
    return settle(found, attempt=attempt, outcome=outcome, wall=NOW, jitter=0.5)


def test_an_attempt_names_the_claim_and_the_refresh_token() -> None:
    spend = decide(record(), view(rejected=A.access_token))
    assert isinstance(spend, Spend)
    assert Attempt.of(spend, "me") == ATTEMPT._replace(forced=True)
    assert Attempt.of(spend._replace(record=record()), "me").spends is None


@pytest.mark.parametrize(
    "found,attempt,token,expected",
    [
        pytest.param(MINE, ATTEMPT, B, record(B), id="the plain case"),
        pytest.param(
            replace(MINE, rest=rest(), forced=3, signed_out=True), ATTEMPT, B, record(B), id="all is well again"
        ),
        pytest.param(replace(MINE, forced=3), ATTEMPT._replace(forced=True), B, record(B, forced=4), id="R10: forced"),
        pytest.param(replace(MINE, unknown={"x": 1}), ATTEMPT, B, record(B, unknown={"x": 1}), id="later fields stay"),
        pytest.param(replace(MINE, spares=(SPARE,)), ATTEMPT, B, record(B, spares=(SPARE,)), id="spares stay"),
        pytest.param(replace(MINE, spares=(A, SPARE)), ATTEMPT, B, record(B, spares=(SPARE,)), id="spent spares go"),
        pytest.param(
            replace(MINE, token=C, spares=(SPARE,)), ATTEMPT, B, record(B, spares=(C, SPARE)), id="R3: came in between"
        ),
        pytest.param(
            replace(MINE, token=C, refused=fingerprint_of("c"), spares=(A, SPARE)),
            ATTEMPT,
            B,
            record(B, spares=(SPARE,)),
            id="R8: a spare replaces what was refused",
        ),
        pytest.param(MINE, ATTEMPT, SAME_REFRESH, record(SAME_REFRESH), id="a server that does not rotate"),
        pytest.param(MINE, ATTEMPT, SAME_ACCESS, record(SAME_ACCESS), id="R2: the same access token again"),
        pytest.param(MINE, ATTEMPT, SAME_PAIR, record(SAME_PAIR), id="R2: the same pair again, for longer"),
        pytest.param(MINE, ATTEMPT, A, record(A), id="R1: the very same: the claim ends all the same"),
        pytest.param(
            replace(MINE, spent=(fingerprint_of("b"),)),
            ATTEMPT,
            B,
            record(B),
            id="R1: one that was spent before, again",
        ),
        pytest.param(
            record(replace(SAME_ACCESS, refresh_token=C.refresh_token)),
            ATTEMPT,
            SAME_ACCESS,
            record(replace(SAME_ACCESS, refresh_token=C.refresh_token), spares=(SAME_ACCESS,)),
            id="R2: late, and another refresh token came with the same access token",
        ),
        pytest.param(
            record(C, spares=(replace(SAME_ACCESS, refresh_token=C.refresh_token),)),
            ATTEMPT,
            SAME_ACCESS,
            record(C, spares=(SAME_ACCESS, replace(SAME_ACCESS, refresh_token=C.refresh_token))),
            id="R2: late, and another refresh token came with the same access token as a spare's",
        ),
        pytest.param(
            record(ACCESS_ONLY, issuer=BOT, claim=claimed("me", spends=None)),
            REPLAY,
            YOUNGER_ACCESS,
            record(YOUNGER_ACCESS, issuer=BOT),
            id="a bot's",
        ),
        pytest.param(None, ATTEMPT, B, record(B), id="the store forgot"),
        pytest.param(None, WITHOUT_STORE, B, record(B, issuer=BOT, generation=0), id="the store was down and is empty"),
        pytest.param(
            record(C, generation=6, unknown={"x": 1}),
            ATTEMPT,
            B,
            record(B, unknown={"x": 1}),
            id="a backup was put back",
        ),
        pytest.param(record(claim=None), ATTEMPT, B, record(B), id="R3: late, and nothing newer is there"),
        pytest.param(
            record(claim=claimed("you", lost=True)),
            ATTEMPT,
            B,
            record(claim=claimed("you", lost=True), spares=(B,)),
            id="R3: late, and a later answer was lost: the server may keep that one alone",
        ),
        pytest.param(
            record(claim=claimed("you")), ATTEMPT, B, record(claim=claimed("you"), spares=(B,)), id="R3: late"
        ),
        pytest.param(record(C, spares=(SPARE,)), ATTEMPT, B, record(C, spares=(B, SPARE)), id="R3: late, newest first"),
        pytest.param(
            record(C, refused=fingerprint_of("c")), ATTEMPT, B, record(B), id="R8: a mark never outranks a token"
        ),
        pytest.param(record(None), ATTEMPT, B, record(B), id="R3: late, without a current token"),
        pytest.param(
            record(A, rest=rest(), forced=2, signed_out=True, refused=fingerprint_of("a")),
            ATTEMPT,
            B,
            record(B, forced=2),
            id="R3: late, and all is well again",
        ),
        pytest.param(
            record(YOUNGER_SAME),
            ATTEMPT,
            SAME_REFRESH,
            record(YOUNGER_SAME, spares=(SAME_REFRESH,)),
            id="R3: late, nothing rotates, and a younger one is there",
        ),
        pytest.param(
            record(), ATTEMPT, SAME_REFRESH, record(SAME_REFRESH), id="R3: late, nothing rotates, still younger"
        ),
        pytest.param(
            record(ACCESS_ONLY, issuer=BOT), WITHOUT_STORE, YOUNGER_ACCESS, record(YOUNGER_ACCESS, issuer=BOT), id="bot"
        ),
        pytest.param(
            record(A, issuer=BOT),
            WITHOUT_STORE,
            YOUNGER_ACCESS,
            record(YOUNGER_ACCESS, issuer=BOT, spares=(A,)),
            id="R2",
        ),
        pytest.param(
            record(A, issuer=BOT, refused=fingerprint_of("a")),
            WITHOUT_STORE,
            OLDER_ACCESS,
            record(OLDER_ACCESS, issuer=BOT),
            id="R8: better than a dead one",
        ),
    ],
)
def test_where_a_new_token_goes(found: Record | None, attempt: Attempt, token: Token, expected: Record) -> None:
    written = after(found, Renewed(token), attempt)
    assert written is not None
    assert replace(written, spent=()) == expected


@pytest.mark.parametrize(
    "found,attempt,token,spent",
    [
        pytest.param(MINE, ATTEMPT, B, "a", id="the plain case"),
        pytest.param(replace(MINE, spent=("4", "3", "2", "1")), ATTEMPT, B, "a432", id="four are remembered"),
        pytest.param(replace(MINE, spent=("4", fingerprint_of("a"), "3")), ATTEMPT, B, "a43", id="each once"),
        pytest.param(record(claim=claimed("you")), ATTEMPT, B, "a", id="late: the current one is spent all the same"),
        pytest.param(replace(MINE, spent=("1",)), ATTEMPT, SAME_REFRESH, "1", id="without rotation nothing is spent"),
        pytest.param(record(ACCESS_ONLY, issuer=BOT), REPLAY, YOUNGER_ACCESS, "", id="nor by a grant"),
        pytest.param(None, ATTEMPT, B, "a", id="the store forgot, and we did not"),
        pytest.param(None, ATTEMPT, SAME_REFRESH, "", id="the store forgot, and nothing rotates"),
        pytest.param(None, WITHOUT_STORE, B, "", id="the store was down and is empty"),
        pytest.param(record(C, generation=6, spent=("1",)), ATTEMPT, B, "a", id="a backup's is another sign-in's"),
    ],
)
def test_spent_refresh_tokens_are_recorded(found: Record | None, attempt: Attempt, token: Token, spent: str) -> None:
    written = after(found, Renewed(token), attempt)
    assert written is not None
    assert written.spent == tuple(fingerprint_of(name) if name.isalpha() else name for name in spent)


def test_r9_a_token_spent_while_the_store_lost_its_record_does_not_become_a_spare() -> None:
    spends_it = Attempt(owner="you", generation=7, issuer=PERSON, spends=fingerprint_of("b"))
    forgotten = after(None, Renewed(C), spends_it)
    assert forgotten is not None
    assert after(forgotten, Renewed(B), ATTEMPT) is None


def test_a_spent_token_is_not_a_spare() -> None:
    found = record(A, claim=claimed("me", spends="b"), spares=(B, SPARE), spent=(fingerprint_of("a"),))
    written = after(found, Renewed(C), ATTEMPT._replace(spends=fingerprint_of("b")))
    assert written is not None
    assert written.spares == (SPARE,)


@pytest.mark.parametrize(
    "found,attempt,token",
    [
        pytest.param(record(generation=8), ATTEMPT, B, id="R3: a newer sign-in stands"),
        pytest.param(record(None, generation=8, signed_out=True), ATTEMPT, B, id="R3: a sign-out stands"),
        pytest.param(record(B), ATTEMPT, B, id="it is there already"),
        pytest.param(record(C, spares=(B,)), ATTEMPT, B, id="it is a spare already"),
        pytest.param(record(A), ATTEMPT, OLDER_PAIR, id="the same pair is there, and valid for longer"),
        pytest.param(
            record(C, spent=(fingerprint_of("b"),)), ATTEMPT, B, id="it was there, and has been renewed since"
        ),
        pytest.param(
            record(A, refused=fingerprint_of("a"), spent=(fingerprint_of("b"),)),
            ATTEMPT,
            B,
            id="R8: it was there, and is dead",
        ),
        pytest.param(record(), WITHOUT_STORE, YOUNGER_ACCESS, id="a person's record is not a bot's"),
        pytest.param(record(ACCESS_ONLY, issuer=BOT), WITHOUT_STORE, OLDER_ACCESS, id="a younger one is there"),
        pytest.param(record(ACCESS_ONLY, issuer=BOT), WITHOUT_STORE, TWIN_ACCESS, id="one of the same age is there"),
        pytest.param(
            record(ACCESS_ONLY, issuer=BOT, claim=claimed("you", spends=None)),
            REPLAY,
            YOUNGER_ACCESS,
            id="one is coming",
        ),
    ],
)
def test_when_a_new_token_is_not_written(found: Record, attempt: Attempt, token: Token) -> None:
    assert after(found, Renewed(token), attempt) is None


OLD_DOUBT = record(claim=claimed("me", doubt_since=5.0))
REST = Rest(since=NOW, until=NOW + 1.0, attempts=1, reason="It was down.")
BUSY_REST = REST._replace(reason="It was busy.")


@pytest.mark.parametrize(
    "found,outcome,expected",
    [
        pytest.param(
            MINE,
            DOWN,
            record(claim=claimed("me", lost=True, doubt_since=NOW - 70), rest=REST),
            id="R9: it may be spent",
        ),
        pytest.param(
            OLD_DOUBT, DOWN, record(claim=claimed("me", lost=True, doubt_since=5.0), rest=REST), id="R9: since then"
        ),
        pytest.param(MINE, BUSY, record(rest=BUSY_REST), id="surely not spent"),
        pytest.param(
            OLD_DOUBT, BUSY, record(claim=claimed("me", lost=True, doubt_since=5.0), rest=BUSY_REST), id="not by us"
        ),
        pytest.param(record(claim=claimed("me", spends=None)), DOWN, record(rest=REST), id="a grant leaves no doubt"),
        pytest.param(
            replace(MINE, rest=rest()),
            BUSY,
            record(rest=BUSY_REST._replace(until=NOW + 4.0, attempts=3)),
            id="R7: the third in a row",
        ),
        pytest.param(
            replace(MINE, token=SHORT_LIVED),
            BUSY,
            record(SHORT_LIVED, rest=BUSY_REST._replace(until=NOW + 0.5)),
            id="R7: at most half of the remaining time",
        ),
        pytest.param(
            record(None, claim=claimed("me", spends=None), rest=rest()),
            BUSY,
            record(None, rest=BUSY_REST._replace(until=NOW + 4.0, attempts=3)),
            id="R7: there is no token to look after",
        ),
        pytest.param(
            MINE, BUSY._replace(retry_after=30.0), record(rest=BUSY_REST._replace(until=NOW + 30.0)), id="Retry-After"
        ),
        pytest.param(
            replace(MINE, rest=rest()),
            Interrupted(),
            record(claim=claimed("me", lost=True, doubt_since=NOW - 70), rest=rest()),
            id="R4: torn down",
        ),
        pytest.param(record(claim=claimed("me", spends=None)), Interrupted(), record(), id="R4: a grant, torn down"),
        pytest.param(
            replace(MINE, rest=rest()), Misconfigured(), record(rest=rest()), id="R7: the sign-in is unchanged"
        ),
        pytest.param(
            OLD_DOUBT, Misconfigured(), record(claim=claimed("me", lost=True, doubt_since=5.0)), id="an old doubt stays"
        ),
        pytest.param(
            replace(MINE, rest=rest()),
            Refused(),
            record(refused=fingerprint_of("a"), spent=(fingerprint_of("a"),)),
            id="R8: dead",
        ),
        pytest.param(
            record(C, claim=claimed("me"), refused=fingerprint_of("c"), spares=(A, SPARE)),
            Refused(),
            record(C, refused=fingerprint_of("c"), spares=(SPARE,), spent=(fingerprint_of("a"),)),
            id="R8: a spare is dead too",
        ),
        pytest.param(
            record(None, claim=claimed("me")),
            Refused(),
            record(None, spent=(fingerprint_of("a"),)),
            id="R8: no mark without a token",
        ),
    ],
)
def test_how_a_failure_is_recorded(found: Record, outcome: Outcome, expected: Record) -> None:
    assert after(found, outcome) == expected


def test_r7_a_rest_begins_with_the_second_broken_connection_in_a_row() -> None:
    once = after(MINE, BROKEN)
    assert once is not None
    assert once.rest == Rest(since=NOW, until=NOW, attempts=1, reason="It broke.")
    again = decide(once, view(Age.EXPIRED, owner="me"))
    assert isinstance(again, Spend)
    assert again.repeat
    twice = after(again.record, BROKEN)
    assert twice is not None
    assert isinstance(decide(twice, view(Age.EXPIRED, owner="me")), Fail)


def test_r8_a_refused_token_does_not_come_back_by_a_repeated_save() -> None:
    late = ATTEMPT._replace(owner="you")
    unconfirmed = after(MINE, Renewed(B), late)
    assert unconfirmed is not None
    assert unconfirmed.spares == (B,)
    claim = claimed("me", spends="b")
    refused = after(replace(unconfirmed, claim=claim), Refused(), ATTEMPT._replace(spends=fingerprint_of("b")))
    assert refused is not None
    assert refused.spares == ()
    assert after(refused, Renewed(B), late) is None


def test_r8_a_refused_grant_marks_no_token() -> None:
    found = record(ACCESS_ONLY, issuer=BOT, claim=claimed("me", spends=None), spares=(B,))
    assert after(found, Refused(), REPLAY) == replace(found, claim=None)


@pytest.mark.parametrize("outcome", [DOWN, BUSY, Interrupted(), Misconfigured(), Refused()])
@pytest.mark.parametrize("claim", [None, claimed("you"), claimed("me", lost=True)])
def test_only_the_present_owner_of_the_claim_records_a_failure_and_once(outcome: Outcome, claim: Claim | None) -> None:
    assert after(replace(MINE, claim=claim), outcome) is None
    assert after(None, outcome) is None


def test_r9_the_time_of_the_first_spend_is_kept_across_claims() -> None:
    lost = after(MINE, DOWN)
    assert lost is not None
    again = decide(replace(lost, rest=None), view(Age.EXPIRED, owner="you", wall=NOW + 5))
    assert isinstance(again, Spend)
    assert again.repeat
    assert again.record.claim is not None
    assert again.record.claim.doubt_since == NOW - 70
