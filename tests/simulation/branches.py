"""Which branch of the protocol's decisions was taken, by name, so that none goes untried unnoticed."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from unittest.mock import patch

from bitbucket_auth_async.errors import ConfigurationError, OutageError
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.renewal.decide import Decision, Fail, Spend, Use, View, Wait, decide
from bitbucket_auth_async.renewal.record import Issuer, Record
from bitbucket_auth_async.renewal.settle import (
    Attempt,
    Interrupted,
    Misconfigured,
    Outage,
    Outcome,
    Renewed,
    settle,
    signed_in,
    signed_out,
)

_NEVER = float("inf")

DECISIONS = (
    "use: fresh",
    "use: while another renews",
    "use: in doubt, at a strict server",
    "use: at rest",
    "use: refused somewhere, and still accepted elsewhere",
    "use: refused somewhere, and too young to force",
    "use: refused somewhere, and nothing to renew with",
    "use: nothing to renew with",
    "wait",
    *(f"spend: {way}{how}" for way in ("current", "spare") for how in ("", ", repeated", ", forced")),
    "spend: current, repeated, forced",
    "spend: grant",
    "spend: grant, forced",
    "spend: grant, at first",
    "fail: nobody has signed in",
    "fail: another client's",
    "fail: another grant's",
    "fail: at rest",
    "fail: signed out",
    "fail: refused",
    "fail: no refresh token",
)
"""All that `decide` can say."""

SETTLEMENTS = (
    "renewed: there is no record any more",
    "renewed: a newer sign-in stands",
    "renewed: over an older sign-in",
    "renewed: without a claim, and the record is another's",
    "renewed: already there",
    "renewed: mine",
    "renewed: mine, forced",
    "renewed: mine, and what came late becomes a spare",
    "renewed: late, and current all the same",
    "renewed: late, a spare",
    "renewed: late, already a spare",
    "renewed: late, and not needed",
    "failed: the claim is another's",
    "failed: already noted",
    "outage: harmless",
    "outage: harmless, and an older doubt stays",
    "outage: lost",
    "outage: lost, of a grant",
    "interrupted: lost",
    "interrupted: of a grant",
    "misconfigured",
    "misconfigured, and an older doubt stays",
    "refused: current",
    "refused: spare",
    "refused: grant",
    "signed in: at first",
    "signed in: anew",
    "signed in: nothing to write",
    "signed out: at first",
    "signed out: anew",
    "signed out: nothing to write",
)
"""All that `settle`, `signed_in` and `signed_out` can do."""


@contextmanager
def counted(counts: Counter[str]) -> Generator[None]:
    """Count the branches that are taken inside the block.

    The functions are pure, so looking at what went in and came out changes nothing; each is wrapped where renewer
    and sign-ins have it, so that production code carries no counters.
    """

    def deciding(record: Record | None, view: View) -> Decision:
        decision = decide(record, view)
        counts[decided(record, view, decision)] += 1
        return decision

    def settling(
        record: Record | None, *, attempt: Attempt, outcome: Outcome, wall: float, jitter: float
    ) -> Record | None:
        after = settle(record, attempt=attempt, outcome=outcome, wall=wall, jitter=jitter)
        counts[settled(record, attempt, outcome, after)] += 1
        return after

    def signing_in(record: Record | None, *, token: Token, issuer: Issuer, generation: int) -> Record | None:
        after = signed_in(record, token=token, issuer=issuer, generation=generation)
        counts[_signed("signed in", record, after)] += 1
        return after

    def signing_out(record: Record | None, *, issuer: Issuer, generation: int) -> Record | None:
        after = signed_out(record, issuer=issuer, generation=generation)
        counts[_signed("signed out", record, after)] += 1
        return after

    renewer, sign_ins = "bitbucket_auth_async.manager.renewer", "bitbucket_auth_async.manager.sign_ins"
    with (
        patch(f"{renewer}.decide", deciding),
        patch(f"{renewer}.settle", settling),
        patch(f"{sign_ins}.signed_in", signing_in),
        patch(f"{sign_ins}.signed_out", signing_out),
    ):
        yield


def decided(record: Record | None, view: View, decision: Decision) -> str:
    """Name a decision."""
    if isinstance(decision, Wait):
        return "wait"
    if isinstance(decision, Spend):
        return _spent(record, decision)
    if isinstance(decision, Fail):
        return _failed(record, view, decision)
    return _used(record, view, decision)


def _spent(record: Record | None, spend: Spend) -> str:
    if record is None:
        return "spend: grant, at first"
    way = "grant" if spend.refresh_token is None else "current" if spend.refresh_token is record.token else "spare"
    return f"spend: {way}{', repeated' * spend.repeat}{', forced' * spend.forced}"


def _failed(record: Record | None, view: View, fail: Fail) -> str:
    if isinstance(fail.error, OutageError):
        return "fail: at rest"
    if record is None:
        return "fail: nobody has signed in"
    if isinstance(fail.error, ConfigurationError):
        return f"fail: another {'client' if record.issuer.client_id != view.issuer.client_id else 'grant'}'s"
    if record.signed_out:
        return "fail: signed out"
    return "fail: refused" if record.refused is not None else "fail: no refresh token"


def _used(record: Record | None, view: View, use: Use) -> str:
    doubt = record is not None and record.claim is not None
    if use.again_in is None and use.token.access_token == view.rejected:
        if view.still_accepted:
            return "use: refused somewhere, and still accepted elsewhere"
        renewable = use.token.refresh_token is not None or view.issuer.grant_type
        return f"use: refused somewhere, and {'too young to force' if renewable else 'nothing to renew with'}"
    if use.again_in is None:
        return "use: fresh"
    if use.again_in == _NEVER:
        return "use: in doubt, at a strict server" if doubt else "use: nothing to renew with"
    resting = record is not None and record.rest is not None and (record.claim is None or record.claim.lost)
    return "use: at rest" if resting else "use: while another renews"


def settled(record: Record | None, attempt: Attempt, outcome: Outcome, after: Record | None) -> str:
    """Name what an answer came to."""
    if isinstance(outcome, Renewed):
        return f"renewed: {_renewed(record, attempt, outcome, after)}"
    if record is None or record.claim is None or record.claim.owner != attempt.owner:
        return "failed: the claim is another's"
    if record.claim.lost:
        return "failed: already noted"
    if isinstance(outcome, Outage) and not outcome.harmless:
        return "outage: lost" + ", of a grant" * (attempt.spends is None)
    if isinstance(outcome, Interrupted):
        return "interrupted: lost" if attempt.spends is not None else "interrupted: of a grant"
    if isinstance(outcome, Outage | Misconfigured):
        kind = "outage: harmless" if isinstance(outcome, Outage) else "misconfigured"
        return kind + ", and an older doubt stays" * (after is not None and after.claim is not None)
    if attempt.spends is None:
        return "refused: grant"
    current = record.token is not None and record.token.refresh_token is not None
    same = current and attempt.spends == fingerprint(str(record.token and record.token.refresh_token))
    return f"refused: {'current' if same else 'spare'}"


def _renewed(record: Record | None, attempt: Attempt, outcome: Renewed, after: Record | None) -> str:
    if record is None:
        return "there is no record any more"
    if attempt.generation is not None and record.generation != attempt.generation:
        return "a newer sign-in stands" if record.generation > attempt.generation else "over an older sign-in"
    if record.token is not None and record.token.access_token == outcome.token.access_token:
        return "already there"
    mine = record.claim is not None and record.claim.owner == attempt.owner
    if after is None:
        if attempt.generation is None and record.issuer != attempt.issuer:
            return "without a claim, and the record is another's"
        return "late, already a spare" if outcome.token in record.spares else "late, and not needed"
    if not mine:
        return "late, a spare" if outcome.token in after.spares else "late, and current all the same"
    if record.token in after.spares:
        return "mine, and what came late becomes a spare"
    return "mine, forced" if after.forced else "mine"


def _signed(which: str, record: Record | None, after: Record | None) -> str:
    return f"{which}: " + ("nothing to write" if after is None else "at first" if record is None else "anew")
