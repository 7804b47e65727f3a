"""Names and counts the branches that the protocol's decisions take, so that an untried branch is noticed."""

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
    "use: while another process renews",
    "use: in doubt, at a strict server",
    "use: during a rest",
    "use: rejected, still accepted elsewhere",
    "use: rejected, too new to force a renewal",
    "use: rejected, cannot be renewed",
    "use: cannot be renewed",
    "wait",
    *(f"spend: {way}{how}" for way in ("current", "spare") for how in ("", ", repeated", ", forced")),
    "spend: current, repeated, forced",
    "spend: grant",
    "spend: grant, forced",
    "spend: grant, first record",
    "fail: not signed in",
    "fail: record of another client",
    "fail: record of another grant",
    "fail: during a rest",
    "fail: signed out",
    "fail: refused",
    "fail: no refresh token",
)
"""All results of `decide`."""

SETTLEMENTS = (
    "renewed: the record is gone",
    "renewed: a newer sign-in stays",
    "renewed: replaces an older sign-in",
    "renewed: without a claim, the record has another issuer",
    "renewed: already saved",
    "renewed: own claim",
    "renewed: own claim, forced",
    "renewed: own claim, a late token becomes a spare",
    "renewed: late, becomes current",
    "renewed: late, becomes a spare",
    "renewed: late, already a spare",
    "renewed: late, not needed",
    "failed: the claim belongs to another process",
    "failed: already noted",
    "outage: harmless",
    "outage: harmless, an older doubt stays",
    "outage: answer lost",
    "outage: answer lost, of a grant",
    "interrupted: answer lost",
    "interrupted: answer lost, of a grant",
    "misconfigured",
    "misconfigured, an older doubt stays",
    "refused: current",
    "refused: spare",
    "refused: grant",
    "signed in: first record",
    "signed in: over a record",
    "signed in: nothing to write",
    "signed out: first record",
    "signed out: over a record",
    "signed out: nothing to write",
)
"""All results of `settle`, `signed_in` and `signed_out`."""


@contextmanager
def counted(counts: Counter[str]) -> Generator[None]:
    """Count the branches that are taken inside the block.

    The decisions are pure functions, so wrapping them changes nothing; they are wrapped where the manager imports
    them, so production code has no counters.
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
    """Return the name of a decision."""
    if isinstance(decision, Wait):
        return "wait"
    if isinstance(decision, Spend):
        return _spent(record, decision)
    if isinstance(decision, Fail):
        return _failed(record, view, decision)
    return _used(record, view, decision)


def _spent(record: Record | None, spend: Spend) -> str:
    if record is None:
        return "spend: grant, first record"
    way = "grant" if spend.token is None else "current" if spend.token is record.token else "spare"
    return f"spend: {way}{', repeated' * spend.repeat}{', forced' * spend.forced}"


def _failed(record: Record | None, view: View, fail: Fail) -> str:
    if isinstance(fail.error, OutageError):
        return "fail: during a rest"
    if record is None:
        return "fail: not signed in"
    if isinstance(fail.error, ConfigurationError):
        return f"fail: record of another {'client' if record.issuer.client_id != view.issuer.client_id else 'grant'}"
    if record.signed_out:
        return "fail: signed out"
    return "fail: refused" if record.refused is not None else "fail: no refresh token"


def _used(record: Record | None, view: View, use: Use) -> str:
    doubt = record is not None and record.claim is not None
    if use.recheck_in is None and use.token.access_token == view.rejection.access_token:
        if view.rejection.still_accepted:
            return "use: rejected, still accepted elsewhere"
        renewable = use.token.refresh_token is not None or view.issuer.grant_type
        return f"use: rejected, {'too new to force a renewal' if renewable else 'cannot be renewed'}"
    if use.recheck_in is None:
        return "use: fresh"
    if use.recheck_in == _NEVER:
        return "use: in doubt, at a strict server" if doubt else "use: cannot be renewed"
    resting = record is not None and record.rest is not None and (record.claim is None or record.claim.lost)
    return "use: during a rest" if resting else "use: while another process renews"


def settled(record: Record | None, attempt: Attempt, outcome: Outcome, after: Record | None) -> str:
    """Return the name of what `settle` did with an outcome."""
    if isinstance(outcome, Renewed):
        return f"renewed: {_renewed(record, attempt, outcome, after)}"
    if record is None or record.claim is None or record.claim.owner != attempt.owner:
        return "failed: the claim belongs to another process"
    if record.claim.lost:
        return "failed: already noted"
    if isinstance(outcome, Outage) and not outcome.harmless:
        return "outage: answer lost" + ", of a grant" * (attempt.spends is None)
    if isinstance(outcome, Interrupted):
        return "interrupted: answer lost" + ", of a grant" * (attempt.spends is None)
    if isinstance(outcome, Outage | Misconfigured):
        kind = "outage: harmless" if isinstance(outcome, Outage) else "misconfigured"
        return kind + ", an older doubt stays" * (after is not None and after.claim is not None)
    if attempt.spends is None:
        return "refused: grant"
    current = record.token is not None and record.token.refresh_token is not None
    same = current and attempt.spends == fingerprint(str(record.token and record.token.refresh_token))
    return f"refused: {'current' if same else 'spare'}"


def _renewed(record: Record | None, attempt: Attempt, outcome: Renewed, after: Record | None) -> str:
    if record is None:
        return "the record is gone"
    if attempt.generation is not None and record.generation != attempt.generation:
        return "a newer sign-in stays" if record.generation > attempt.generation else "replaces an older sign-in"
    if record.token is not None and record.token.access_token == outcome.token.access_token:
        return "already saved"
    mine = record.claim is not None and record.claim.owner == attempt.owner
    if after is None:
        if attempt.generation is None and record.issuer != attempt.issuer:
            return "without a claim, the record has another issuer"
        return "late, already a spare" if outcome.token in record.spares else "late, not needed"
    if not mine:
        return "late, becomes a spare" if outcome.token in after.spares else "late, becomes current"
    if record.token in after.spares:
        return "own claim, a late token becomes a spare"
    return "own claim, forced" if after.forced else "own claim"


def _signed(which: str, record: Record | None, after: Record | None) -> str:
    return f"{which}: " + (
        "nothing to write" if after is None else "first record" if record is None else "over a record"
    )
