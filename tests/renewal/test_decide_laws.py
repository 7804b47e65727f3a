"""decide: properties of every record and view."""

from dataclasses import replace

from hypothesis import given, settings

from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.renewal.decide import Spend, Use, View, decide
from bitbucket_auth_async.renewal.record import Claim, Record
from bitbucket_auth_async.renewal.timing import Age
from tests.support.record_values import CLAIMS, NOW, RECORDS, VIEWS

EXPIRED = Age.EXPIRED


@settings(max_examples=200)
@given(RECORDS, CLAIMS, VIEWS)
def test_r1_decide_never_spends_while_another_claim_is_live(found: Record, claim: Claim, seen: View) -> None:
    found = replace(found, claim=claim._replace(owner="you", lost=False))
    assert not isinstance(decide(found, seen._replace(lapsed=False)), Spend)


@settings(max_examples=200)
@given(RECORDS, VIEWS)
def test_r5_decide_hands_out_only_the_records_token_and_only_if_it_has_not_expired(found: Record, seen: View) -> None:
    decision = decide(found, seen)
    if isinstance(decision, Use):
        assert decision.token is found.token
        assert seen.age is not EXPIRED


@settings(max_examples=200)
@given(RECORDS, VIEWS)
def test_r10_decide_hands_out_a_refused_token_only_if_no_renewal_may_be_forced(found: Record, seen: View) -> None:
    decision = decide(found, seen)
    if isinstance(decision, Use) and decision.token.access_token == seen.rejection.access_token:
        unforced = seen.rejection.still_accepted or NOW - decision.token.issued_at < 60 * 2**found.forced
        dead_end = found.refused is None and decision.token.refresh_token is None and not found.spares
        assert unforced or dead_end


@settings(max_examples=200)
@given(RECORDS, VIEWS)
def test_a_spend_adds_our_claim_and_changes_nothing_else(found: Record, seen: View) -> None:
    decision = decide(found, seen)
    if not isinstance(decision, Spend):
        return
    claim, spent = decision.record.claim, decision.token
    assert claim is not None
    assert (claim.owner, claim.since, claim.lost) == ("me", NOW, False)
    assert claim.spends == (None if spent is None else fingerprint(spent.refresh_token or ""))
    assert replace(decision.record, claim=found.claim) == found
    assert decision.repeat == (claim.doubt_since is not None or claim.spends in found.spent)
    doubted = claim.doubt_since is not None
    assert not doubted or (found.claim is not None and found.claim.spends == claim.spends)


@settings(max_examples=200)
@given(RECORDS, VIEWS)
def test_r8_the_refused_token_is_never_spent_and_a_grant_comes_last(found: Record, seen: View) -> None:
    decision = decide(found, seen)
    if isinstance(decision, Spend):
        tokens = [*([] if found.token is None else [found.token]), *found.spares]
        ways = [each for each in tokens if each.refresh_token and fingerprint(each.refresh_token) != found.refused]
        if seen.reuse_grace == 0:
            best = [each for each in ways if fingerprint(each.refresh_token or "") not in found.spent] or ways
            end = None if found.token is None else found.token.expires_at
            timely = [each for each in best if end is None or each.issued_at < end]
            youngest = max(timely or best[:1], key=lambda each: each.issued_at, default=None)
            assert decision.token is youngest
        else:
            claim = found.claim
            doubted = claim is not None and (claim.owner != "me" or claim.lost or claim.doubt_since is not None)
            first = [
                each for each in ways if doubted and claim and fingerprint(each.refresh_token or "") == claim.spends
            ]
            assert decision.token is ((first or ways)[0] if ways else None)
        assert (decision.token is None) == (not ways)


@settings(max_examples=200)
@given(RECORDS, VIEWS.filter(lambda seen: seen.reuse_grace == 0))
def test_r9_in_doubt_a_strict_server_gets_no_request_while_the_token_is_valid(found: Record, seen: View) -> None:
    decision = decide(found, seen)
    claim = decision.record.claim if isinstance(decision, Spend) else None
    if claim is not None and claim.doubt_since is not None and found.token is not None:
        assert seen.age is EXPIRED or found.token.access_token == seen.rejection.access_token
