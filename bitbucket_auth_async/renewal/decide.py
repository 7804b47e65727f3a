"""The protocol as pure decisions: what to do with a record now."""

from dataclasses import dataclass, replace

from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    ConfigurationError,
    LoginRequiredError,
    OutageError,
)
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.renewal.record import Claim, Issuer, Record
from bitbucket_auth_async.renewal.timing import SKEW, Age

LONGEST_REST = 3600.0
"""Seconds; a rest that seems longer was written by a clock that is wrong, and is not kept."""
_POLL = 1.0
_NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one manager knows as it decides about a record."""

    owner: str
    host: str | None
    process: str | None
    issuer: Issuer
    """What this manager would write; its grant type is empty if it has no grant of its own."""
    wall: float
    age: Age
    """Of the record's token."""
    lapsed: bool
    """The record's claim was seen for a whole lease, or its owner is gone."""
    reuse_grace: float
    rejected: str | None = None
    """The access token that a 401 proved bad."""
    still_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """The record's token is the one to hand out."""

    token: Token
    again_in: float | None = None
    """Seconds until looking again is worth it; None: when the token is stale."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another owner is renewing; look again soon."""


@dataclass(frozen=True, slots=True)
class Spend:
    """Swap in *record*, whose claim is ours, and then send the request."""

    record: Record
    refresh_token: Token | None
    """The token whose refresh token is spent; None: the manager's own grant."""
    repeat: bool
    forced: bool


@dataclass(frozen=True, slots=True)
class Fail:
    """There is no token to be had now."""

    error: BitbucketAuthError


Decision = Use | Wait | Spend | Fail
"""What to do with a record now."""

_NOBODY = (
    "Nobody has signed in under this key yet. Bring a person's token with exchange() or adopt(); "
    "a bot needs grant=ClientCredentials()."
)


def decide(record: Record | None, view: View) -> Decision:
    """Say what to do with this record now."""
    if record is None:
        if view.issuer.grant_type:
            return _spend(Record(issuer=view.issuer, generation=0), view, None)
        return Fail(LoginRequiredError(_NOBODY))
    strange = _strange(record, view)
    if strange is not None:
        return Fail(strange)
    usable = _usable(record, view)
    if record.claim is not None and _is_live(record.claim, view):
        return Wait() if usable is None else Use(usable, _POLL)
    doubt = _doubt(record.claim, view)
    # A strict server may answer a repeat by revoking everything: live on the present token first.
    due = view.age is Age.STALE if doubt is None else view.reuse_grace > 0
    if usable is not None and not due:
        return Use(usable, None if doubt is None else _NEVER)
    left = resting(record, view.wall)
    if left is not None:
        return Fail(_outage(record, left)) if usable is None else Use(usable, left)
    return _renew(record, view, usable, forced=usable is None and view.age is not Age.EXPIRED and not due)


def _usable(record: Record, view: View) -> Token | None:
    """Return the record's token, if it is good and no 401 has proved it bad."""
    token = record.token
    if token is None or view.age is Age.EXPIRED or token.access_token == view.rejected:
        return None
    return token


def _renew(record: Record, view: View, usable: Token | None, *, forced: bool) -> Decision:
    if forced and record.token is not None and _unforced(record, record.token, view):
        return Use(record.token)
    candidate = _candidate(record, view)
    if candidate is not None:
        return _spend(record, view, candidate, forced=forced)
    if view.issuer.grant_type:  # `_strange` made sure that this very grant issued the token.
        return _spend(record, view, None, forced=forced)
    if usable is not None:
        return Use(usable, _NEVER)
    if view.age is not Age.EXPIRED and record.token is not None and record.refused is None:
        return Use(record.token)  # nothing to renew with, but nothing says that it is dead either
    if record.signed_out:
        return Fail(LoginRequiredError("Signed out; sign in again."))
    if record.refused is not None:
        return Fail(LoginRequiredError("The server no longer accepts the refresh token; sign in again."))
    return Fail(LoginRequiredError("The token has expired and came without a refresh token; sign in again."))


def _spend(record: Record, view: View, candidate: Token | None, *, forced: bool = False) -> Spend:
    spends = None if candidate is None or candidate.refresh_token is None else fingerprint(candidate.refresh_token)
    doubt = _doubt(record.claim, view)
    same = record.claim is not None and record.claim.spends == spends
    doubt = doubt if same and spends is not None else None
    claim = Claim(
        owner=view.owner,
        host=view.host,
        process=view.process,
        since=view.wall,
        spends=spends,
        doubt_since=doubt,
    )
    claimed = replace(record, claim=claim, issuer=_filled(record.issuer, view.issuer))
    return Spend(claimed, candidate, doubt is not None or spends in record.spent, forced)


def _filled(issuer: Issuer, ours: Issuer) -> Issuer:
    """Complete the issuer of a record that an older program left without one."""
    return issuer if issuer.token_endpoint else replace(ours, grant_type=ours.grant_type or "refresh_token")


def _strange(record: Record, view: View) -> ConfigurationError | None:
    """Refuse a record that another client, server or grant began."""
    theirs, ours = record.issuer, view.issuer
    if not theirs.token_endpoint:  # an older program left it, and no grant with it: a person's, so far as we know
        return _two_identities("a person", ours.grant_type) if ours.grant_type else None
    if (theirs.token_endpoint, theirs.client_id) != (ours.token_endpoint, ours.client_id):
        return ConfigurationError(
            f"The record under this key belongs to client {theirs.client_id!r} at {theirs.token_endpoint}, "
            f"not to {ours.client_id!r} at {ours.token_endpoint}. Give each its own key."
        )
    if ours.grant_type and theirs.grant_type != ours.grant_type:
        return _two_identities(theirs.grant_type, ours.grant_type)
    return None


def _two_identities(theirs: str, ours: str) -> ConfigurationError:
    return ConfigurationError(
        f"The record under this key was begun by {theirs}, and this manager renews by {ours}: "
        "that would turn one identity into another. Give each its own key."
    )


def _is_live(claim: Claim, view: View) -> bool:
    """Tell whether a successor may be on its way to somebody else."""
    return claim.owner != view.owner and not claim.lost and not view.lapsed


def _doubt(claim: Claim | None, view: View) -> float | None:
    """Return since when the token of a claim that is not live may have been spent; None: it surely was not."""
    if claim is None or claim.spends is None:
        return None
    if claim.owner == view.owner and not claim.lost:
        return claim.doubt_since  # our own claim, and nothing was sent under it (a lost answer is noted as lost)
    return claim.since if claim.doubt_since is None else claim.doubt_since


def resting(record: Record, wall: float) -> float | None:
    """Return how many seconds there are to rest; None: the next attempt is due."""
    if record.rest is None:
        return None
    if record.rest.since > wall + SKEW:
        return None  # it was noted by a clock that is ahead of ours, or ours was stepped back
    left = record.rest.until - wall
    return left if 0 < left <= LONGEST_REST else None


def _outage(record: Record, left: float) -> OutageError:
    reason = record.rest.reason if record.rest is not None else ""
    return OutageError(f"{reason} The next attempt is due in {left:.1f} s.", retry_after=left)


def _unforced(record: Record, token: Token, view: View) -> bool:
    """R10: a refused token is not renewed by force while it is very young, or where only the endpoint minds it."""
    return view.still_accepted or 0 <= view.wall - token.issued_at < forced_from(record, token)


def forced_from(record: Record, token: Token) -> float:
    """Return the age in seconds from which on a 401 forces a renewal; it doubles with each that a 401 forced."""
    lifetime = 3600.0 if token.lifetime is None else token.lifetime
    return min(60.0, lifetime / 10) * 2.0 ** min(record.forced, 10)


def _candidate(record: Record, view: View) -> Token | None:
    """Return the token to renew with: one in doubt, the current one unless refused, then the spares, newest first."""
    ways = [
        token
        for token in (*(() if record.token is None else (record.token,)), *record.spares)
        if token.refresh_token is not None and fingerprint(token.refresh_token) != record.refused
    ]
    if view.reuse_grace == 0:  # a strict server has seen all but the last one, and would revoke that too
        end = _NEVER if record.token is None or record.token.expires_at is None else record.token.expires_at
        # One that was issued after the present one had ended was so by another clock, which tells no order.
        ways.sort(key=lambda token: token.issued_at if token.issued_at < end else -_NEVER, reverse=True)
        ways.sort(key=lambda token: fingerprint(token.refresh_token or "") in record.spent)  # clocks may differ
    elif record.claim is not None and _doubt(record.claim, view) is not None:
        doubtful = record.claim.spends  # it goes first: a claim on another token would forget the doubt
        ways.sort(key=lambda token: fingerprint(token.refresh_token or "") != doubtful)
    return ways[0] if ways else None
