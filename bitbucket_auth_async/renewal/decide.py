"""decide: the next step for a record, as a pure function of record, time and observer."""

from dataclasses import replace
from typing import NamedTuple

from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    ConfigurationError,
    LoginRequiredError,
    OutageError,
)
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.renewal.record import Claim, Issuer, NoFields, Record
from bitbucket_auth_async.renewal.timing import SKEW, Age

LONGEST_REST = 3600.0
"""Seconds; a longer rest was written by a wrong clock and is ignored."""
_POLL = 1.0
_NEVER = float("inf")


class Rejection(NamedTuple):
    """The access token that a 401 refused, if that is why a token is wanted."""

    access_token: str | None = None
    still_accepted: bool = False
    """A later request succeeded with the same token."""


NOT_REJECTED = Rejection()
"""No 401 refused the access token."""


class View(NamedTuple):
    """One manager's knowledge when it decides about a record."""

    owner: str
    host: str | None
    process: str | None
    issuer: Issuer
    """The issuer this manager would write; the grant type is empty if it has no grant."""
    wall: float
    age: Age
    """The age of the record's token."""
    lapsed: bool
    """The record's claim has been seen for a whole lease, or its process has ended."""
    reuse_grace: float
    rejection: Rejection = NOT_REJECTED


class Use(NamedTuple):
    """Hand out the record's token."""

    token: Token
    recheck_in: float | None = None
    """Seconds until the store should be read again; None: once the token is stale."""


class Wait(NoFields):
    """Another owner is renewing; load again soon."""


class Spend(NamedTuple):
    """Swap in *record* with our claim, then send the token request."""

    record: Record
    token: Token | None
    """The token whose refresh token is spent; None: the manager's grant."""
    repeat: bool
    """The refresh token may have been sent before."""
    forced: bool
    """A 401 forces the renewal of a token that has not expired."""


class Fail(NamedTuple):
    """No token can be had now."""

    error: BitbucketAuthError


Decision = Use | Wait | Spend | Fail
"""The next step of a manager for a record."""

_NO_SIGN_IN = (
    "No one has signed in under this key yet. Bring a person's token with exchange() or adopt(), "
    "or give a bot's manager grant=ClientCredentials()."
)


def decide(record: Record | None, view: View) -> Decision:
    """Return what to do with this record now."""
    if record is None:
        if view.issuer.grant_type:
            return _spend(Record(issuer=view.issuer, generation=0), view, None)
        return Fail(LoginRequiredError(_NO_SIGN_IN))
    mismatch = _issuer_mismatch(record, view)
    if mismatch is not None:
        return Fail(mismatch)
    usable = _usable(record, view)
    if record.claim is not None and _is_live(record.claim, view):
        return Wait() if usable is None else Use(usable, _POLL)
    doubt = _maybe_spent_since(record.claim, view)
    # A strict server may answer a repeat by revoking everything, so use the present token to its end first.
    due = view.age is Age.STALE if doubt is None else view.reuse_grace > 0
    if usable is not None and not due:
        return Use(usable, None if doubt is None else _NEVER)
    left = rest_left(record, view.wall)
    if left is not None:
        return Fail(_outage(record, left)) if usable is None else Use(usable, left)
    return _renew(record, view, usable, forced=usable is None and view.age is not Age.EXPIRED and not due)


def _usable(record: Record, view: View) -> Token | None:
    """Return the record's token if it has not expired and was not refused."""
    token = record.token
    if token is None or view.age is Age.EXPIRED or token.access_token == view.rejection.access_token:
        return None
    return token


def _renew(record: Record, view: View, usable: Token | None, *, forced: bool) -> Decision:
    if forced and record.token is not None and _is_not_forced(record, record.token, view):
        return Use(record.token)
    token = _token_to_spend(record, view)
    if token is not None:
        return _spend(record, view, token, forced=forced)
    if view.issuer.grant_type:  # `_issuer_mismatch` has made sure that this grant issued the token
        return _spend(record, view, None, forced=forced)
    if usable is not None:
        return Use(usable, _NEVER)
    if view.age is not Age.EXPIRED and record.token is not None and record.refused is None:
        return Use(record.token)  # nothing to renew with, but the token may still work elsewhere
    if record.signed_out:
        return Fail(LoginRequiredError("This identity has signed out; sign in again."))
    if record.refused is not None:
        return Fail(LoginRequiredError("The server no longer accepts the refresh token; sign in again."))
    return Fail(LoginRequiredError("The token has expired and came without a refresh token; sign in again."))


def _spend(record: Record, view: View, token: Token | None, *, forced: bool = False) -> Spend:
    spends = None if token is None or token.refresh_token is None else fingerprint(token.refresh_token)
    doubt = _maybe_spent_since(record.claim, view)
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
    claimed = replace(record, claim=claim, issuer=_completed(record.issuer, view.issuer))
    return Spend(claimed, token, doubt is not None or spends in record.spent, forced)


def _completed(issuer: Issuer, ours: Issuer) -> Issuer:
    """Fill in the issuer of a record that an older program wrote without one."""
    return issuer if issuer.token_endpoint else ours._replace(grant_type=ours.grant_type or "refresh_token")


def _issuer_mismatch(record: Record, view: View) -> ConfigurationError | None:
    """Return the error for a record of another client, server or grant."""
    theirs, ours = record.issuer, view.issuer
    if not theirs.token_endpoint:  # an older program wrote no grant either; presumably a person's
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
        f"The record under this key is the sign-in of {theirs}, but this manager renews by {ours}, "
        "which would turn one identity into another. Give each its own key."
    )


def _is_live(claim: Claim, view: View) -> bool:
    """Return True if another owner may still receive the next token."""
    return claim.owner != view.owner and not claim.lost and not view.lapsed


def _maybe_spent_since(claim: Claim | None, view: View) -> float | None:
    """Return when the token of a claim that is not live may have been spent; None: it was certainly not."""
    if claim is None or claim.spends is None:
        return None
    if claim.owner == view.owner and not claim.lost:
        return claim.doubt_since  # our claim, and nothing was sent (a lost answer is marked as lost)
    return claim.since if claim.doubt_since is None else claim.doubt_since


def rest_left(record: Record | None, wall: float) -> float | None:
    """Return the seconds until the next attempt; None: it is due."""
    if record is None or record.rest is None:
        return None
    if record.rest.since > wall + SKEW:
        return None  # the clock that wrote it is ahead of ours, or ours was set back
    left = record.rest.until - wall
    return left if 0 < left <= LONGEST_REST else None


def _outage(record: Record, left: float) -> OutageError:
    reason = record.rest.reason if record.rest is not None else ""
    return OutageError(f"{reason} The next attempt is due in {left:.1f} s.", retry_after=left)


def _is_not_forced(record: Record, token: Token, view: View) -> bool:
    """R10: return True if a refused token is very young, or refused by one endpoint only."""
    return view.rejection.still_accepted or 0 <= view.wall - token.issued_at < least_age_to_force(record, token)


def least_age_to_force(record: Record, token: Token) -> float:
    """Return the age in seconds at which a 401 forces a renewal; it doubles with each forced renewal."""
    lifetime = 3600.0 if token.lifetime is None else token.lifetime
    return min(60.0, lifetime / 10) * 2.0 ** min(record.forced, 10)


def _token_to_spend(record: Record, view: View) -> Token | None:
    """Return a token in doubt, else the current one unless refused, else the newest spare."""
    tokens = [
        token
        for token in (*(() if record.token is None else (record.token,)), *record.spares)
        if token.refresh_token is not None and fingerprint(token.refresh_token) != record.refused
    ]
    if view.reuse_grace == 0:  # a strict server has seen all but the last token, and would revoke that too
        end = _NEVER if record.token is None or record.token.expires_at is None else record.token.expires_at
        # A token issued after the present one has expired comes from another clock, so its time gives no order.
        tokens.sort(key=lambda token: token.issued_at if token.issued_at < end else -_NEVER, reverse=True)
        tokens.sort(key=lambda token: fingerprint(token.refresh_token or "") in record.spent)  # clocks may differ
    elif record.claim is not None and _maybe_spent_since(record.claim, view) is not None:
        doubtful = record.claim.spends  # it goes first, since a claim on another token would forget the doubt
        tokens.sort(key=lambda token: fingerprint(token.refresh_token or "") != doubtful)
    return tokens[0] if tokens else None
