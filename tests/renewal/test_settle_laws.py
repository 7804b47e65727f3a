"""settle: properties of every record, attempt and outcome."""

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.renewal.record import Record
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
from tests.support.record_values import BOT, FINGERPRINTS, NOW, PERSON, RECORDS, TOKENS, A, B, C, fingerprint_of, record

DOWN = Outage("It was down.", harmless=False)
BUSY = Outage("It was busy.", harmless=True)
OUTCOMES = TOKENS.map(Renewed) | st.sampled_from([DOWN, BUSY, Interrupted(), Misconfigured(), Refused()])
ATTEMPTS = st.builds(
    Attempt,
    owner=st.just("me"),
    generation=st.none() | st.integers(6, 8),
    issuer=st.sampled_from([PERSON, BOT]),
    spends=st.none() | FINGERPRINTS,
    forced=st.booleans(),
)


def after(found: Record, outcome: Outcome, attempt: Attempt) -> Record | None:
    return settle(found, attempt=attempt, outcome=outcome, wall=NOW, jitter=0.5)


@settings(max_examples=200)
@given(RECORDS, ATTEMPTS, OUTCOMES)
def test_r2_settling_twice_writes_once(found: Record, attempt: Attempt, outcome: Outcome) -> None:
    once = after(found, outcome, attempt)
    assert once is None or after(once, outcome, attempt) is None


def kept(found: Record) -> set[str | None]:
    """Return the refresh tokens that a record can renew with."""
    tokens = [*found.spares, *([] if found.token is None else [found.token])]
    return {token.refresh_token for token in tokens if fingerprint(token.refresh_token or "") != found.refused}


@settings(max_examples=200)
@given(RECORDS, ATTEMPTS, TOKENS.map(Renewed))
@example(  # another refresh token came with the same access token; it is rare that both are drawn
    record(replace(B, refresh_token=C.refresh_token)),
    Attempt(owner="me", generation=7, issuer=PERSON, spends=fingerprint_of("a")),
    Renewed(replace(B, refresh_token=A.refresh_token)),
)
def test_r2_a_new_token_becomes_current_or_a_spare_unless_a_newer_sign_in_stands(
    found: Record, attempt: Attempt, outcome: Renewed
) -> None:
    written = after(found, outcome, attempt) or found
    token = outcome.token
    newer = attempt.generation is not None and written.generation > attempt.generation
    anothers = attempt.generation is None and written.issuer != attempt.issuer
    tokens = [*written.spares, *([] if written.token is None else [written.token])]
    pairs = {(known.access_token, known.refresh_token) for known in tokens}
    spent = fingerprint(token.refresh_token or "") in found.spent
    alike = spent or (token.access_token, token.refresh_token) in pairs
    replayable = token.refresh_token is None
    assert token == written.token or token in written.spares or alike or newer or anothers or replayable


@settings(max_examples=200)
@given(RECORDS, ATTEMPTS, TOKENS.map(Renewed))
def test_r2_a_new_token_loses_no_other_refresh_token(found: Record, attempt: Attempt, outcome: Renewed) -> None:
    written = after(found, outcome, attempt)
    if written is not None and written.generation == found.generation:
        lost = {fingerprint(refresh) for refresh in kept(found) - kept(written) if refresh is not None}
        assert lost <= {attempt.spends, *found.spent}


@settings(max_examples=200)
@given(RECORDS, ATTEMPTS, TOKENS.map(Renewed))
def test_r8_a_refusal_mark_ends_with_its_token(found: Record, attempt: Attempt, outcome: Renewed) -> None:
    written = after(found, outcome, attempt)
    if written is not None and written.token != found.token:
        assert written.refused is None
        assert not written.signed_out


@settings(max_examples=200)
@given(RECORDS, ATTEMPTS, OUTCOMES)
def test_r3_without_the_claim_a_token_replaces_only_a_spent_or_dead_one(
    found: Record, attempt: Attempt, outcome: Outcome
) -> None:
    written = after(found, outcome, attempt)
    ours = found.claim is not None and found.claim.owner == attempt.owner
    before = found.token
    if ours or written is None or written.token == before or before is None:
        return
    assert written.token is not None
    refreshed = None if before.refresh_token is None else fingerprint(before.refresh_token)
    older = before.issued_at < written.token.issued_at and written.token.refresh_token is None
    assert written.generation > found.generation or older or refreshed in {attempt.spends, found.refused}
    assert found.generation != written.generation or found.claim is None


@settings(max_examples=200)
@given(RECORDS, ATTEMPTS, OUTCOMES)
def test_r3_a_generation_never_goes_back(found: Record, attempt: Attempt, outcome: Outcome) -> None:
    written = after(found, outcome, attempt)
    assert written is None or written.generation >= found.generation


@settings(max_examples=200)
@given(RECORDS, ATTEMPTS, OUTCOMES)
def test_a_settled_record_reads_back_the_same(found: Record, attempt: Attempt, outcome: Outcome) -> None:
    written = after(found, outcome, attempt)
    if written is not None:
        assert Record.from_plain(written.to_plain()) == written
