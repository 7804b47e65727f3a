"""settle: the record after a token request, a sign-in or a sign-out, as a pure function of the present record."""

from dataclasses import replace
from typing import NamedTuple

from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    InvalidGrantError,
    OAuthError,
    TransportError,
    UnavailableError,
)
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.renewal.decide import LONGEST_REST, Spend
from bitbucket_auth_async.renewal.record import Claim, Issuer, NoFields, Record, Rest
from bitbucket_auth_async.renewal.timing import valid_for

_TOO_MANY_REQUESTS = 429
_SHORTEST_REST = 0.25
_MAX_SPENT = 4
_MICROSECONDS = 1_000_000


class Attempt(NamedTuple):
    """A token request, and the claim it was made under."""

    owner: str
    generation: int | None
    """None: a replayable grant was sent without a claim, since the store was down."""
    issuer: Issuer
    spends: str | None
    """Fingerprint of the refresh token that was sent; None: a replayable grant."""
    forced: bool = False

    @classmethod
    def of(cls, spend: Spend, owner: str) -> "Attempt":
        """Return the attempt that follows from a decision to spend."""
        record, claim = spend.record, spend.record.claim
        spends = None if claim is None else claim.spends
        return cls(owner=owner, generation=record.generation, issuer=record.issuer, spends=spends, forced=spend.forced)


class Renewed(NamedTuple):
    """The server issued a token."""

    token: Token


class Outage(NamedTuple):
    """Neither a token nor a refusal."""

    reason: str
    harmless: bool
    """True if the request certainly changed nothing at the server."""
    retry_after: float = 0.0
    broken: bool = False
    """The connection broke, which is common, so the first time in a row there is no rest."""


class Interrupted(NoFields):
    """The task was cancelled during the request: the answer is lost, but the server did not fail."""


class Refused(NoFields):
    """The server refused the refresh token or the grant."""


class Misconfigured(NoFields):
    """The server refused the client or the request, not the token."""


Outcome = Renewed | Outage | Interrupted | Refused | Misconfigured
"""The result of a token request."""


def outcome_of(error: BitbucketAuthError) -> Outcome:
    """Classify a failed token request as R7 does: outage, refused or misconfigured."""
    if isinstance(error, InvalidGrantError):
        return Refused()
    if isinstance(error, OAuthError):
        return Misconfigured()
    if isinstance(error, TransportError):
        return Outage(str(error), harmless=not error.sent, broken=error.broken)
    if isinstance(error, UnavailableError):
        return Outage(str(error), harmless=error.status == _TOO_MANY_REQUESTS, retry_after=error.retry_after or 0.0)
    return Misconfigured()


def backoff(attempts: int, *, jitter: float, retry_after: float = 0.0, left: float = 0.0) -> float:
    """Return the seconds to wait after *attempts* failures in a row: doubling from 1 s to 1 minute, jittered.

    The wait is at most half of the seconds *left* to the present token, so that a short-lived token gets more attempts;
    but the server's *retry_after* is respected.
    """
    doubling: float = min(60.0, 2.0 ** min(attempts - 1, 6)) * (0.75 + 0.5 * jitter)
    if left > 0:
        doubling = min(doubling, max(left / 2, _SHORTEST_REST))
    return min(max(doubling, retry_after), LONGEST_REST)


def settle(record: Record | None, *, attempt: Attempt, outcome: Outcome, wall: float, jitter: float) -> Record | None:
    """Return the record with the outcome in it; None: nothing to write."""
    if isinstance(outcome, Renewed):
        return _renewed(record, attempt, outcome.token)
    if record is None or record.claim is None or record.claim.owner != attempt.owner:
        return None  # the present owner of the claim decides about failures
    claim = record.claim
    if claim.lost:
        return None  # written already, but the confirmation was lost
    if isinstance(outcome, Outage):
        attempts = 1 if record.rest is None else record.rest.attempts + 1
        left = 0.0 if record.token is None else valid_for(record.token, wall)
        seconds = backoff(attempts, jitter=jitter, retry_after=outcome.retry_after, left=left)
        until = wall if outcome.broken and attempts == 1 else wall + seconds
        rest = Rest(since=wall, until=until, attempts=attempts, reason=outcome.reason)
        return replace(record, claim=_withdrawn(claim) if outcome.harmless else _answer_lost(claim), rest=rest)
    if isinstance(outcome, Interrupted):
        return replace(record, claim=_answer_lost(claim))
    if isinstance(outcome, Misconfigured):
        return replace(record, claim=_withdrawn(claim))
    return _refused(record, attempt.spends)


def _renewed(record: Record | None, attempt: Attempt, token: Token) -> Record | None:
    if record is None:
        return _recreated(attempt, token)
    if attempt.generation is not None and record.generation > attempt.generation:
        return None  # R3: a newer sign-in or sign-out stands
    if attempt.generation is not None and record.generation < attempt.generation:  # the store's backup was restored
        return replace(_recreated(attempt, token), unknown=record.unknown)
    if attempt.generation is None and record.issuer != attempt.issuer:
        return None
    if record.claim is not None and record.claim.owner == attempt.owner:
        return replace(_with_current(record, attempt, token), forced=record.forced + 1 if attempt.forced else 0)
    if _refresh_id(token) in record.spent and _refresh_id(token) != attempt.spends:
        return None  # written already, the confirmation was lost, and the token has been renewed since
    return _with_late(record, attempt, token)


def _recreated(attempt: Attempt, token: Token) -> Record:
    """Return a record for a store that lost its own; another process may still bring the token that we spent."""
    record = Record(issuer=attempt.issuer, generation=attempt.generation or 0, token=token)
    return replace(record, spent=_spent(record, attempt, token))


def _with_current(record: Record, attempt: Attempt, token: Token) -> Record:
    """Make *token* the current one; a late token that it does not replace becomes a spare."""
    before, spent = record.token, _spent(record, attempt, token)
    gone = {attempt.spends, None, *spent}
    spares = tuple(spare for spare in record.spares if _refresh_id(spare) not in gone)
    if before is not None and _refresh_id(before) not in {record.refused, *gone}:
        spares = (before, *spares)  # a late answer became current during our request
    return replace(
        record, token=token, claim=None, spares=spares, spent=spent, refused=None, rest=None, signed_out=False
    )


def _spent(record: Record, attempt: Attempt, token: Token) -> tuple[str, ...]:
    """Return the spent tokens, with the one that *token* replaces unless the server does not rotate."""
    return record.spent if _refresh_id(token) == attempt.spends else _add_spent(record, attempt.spends)


def _add_spent(record: Record, spends: str | None) -> tuple[str, ...]:
    """Return the spent or refused tokens with one more, newest first."""
    return record.spent if spends is None else (spends, *(name for name in record.spent if name != spends))[:_MAX_SPENT]


def _with_late(record: Record, attempt: Attempt, token: Token) -> Record | None:
    """R3: place a token that came after our claim had lapsed, without replacing a newer one."""
    current = record.token
    newer = current is None or token.issued_at > current.issued_at
    # If the server does not rotate, the present token may be newer and have the same refresh token.
    rotated = _refresh_id(token) != attempt.spends
    replaced = current is None or _refresh_id(current) in {attempt.spends, record.refused} - {None}
    fits = replaced or newer if token.refresh_token is None else replaced and (rotated or newer)
    if fits and record.claim is None:  # nothing newer was saved or claimed, and no later answer was lost
        return _with_current(record, attempt, token)
    if token.refresh_token is None:
        return None  # a replayable grant gets another one
    if any(known is not None and _same_pair(known, token) for known in (current, *record.spares)):
        return None  # written already, but the confirmation was lost
    return replace(record, spares=(token, *record.spares), spent=_spent(record, attempt, token))


def _refused(record: Record, spends: str | None) -> Record:
    spares = tuple(spare for spare in record.spares if _refresh_id(spare) != spends)
    current = None if record.token is None else _refresh_id(record.token)
    refused = spends if spends is not None and current == spends else record.refused
    return replace(record, claim=None, spares=spares, spent=_add_spent(record, spends), refused=refused, rest=None)


def _withdrawn(claim: Claim) -> Claim | None:
    """Return no claim, since nothing was spent; an older doubt about the same token stays."""
    return None if claim.doubt_since is None else claim._replace(lost=True)


def _answer_lost(claim: Claim) -> Claim | None:
    """Mark that no answer came; a replayable grant needs no mark."""
    if claim.spends is None:
        return None
    doubt_since = claim.since if claim.doubt_since is None else claim.doubt_since
    return claim._replace(lost=True, doubt_since=doubt_since)


def signed_in(record: Record | None, *, token: Token, issuer: Issuer, generation: int) -> Record | None:
    """Return the record of a new sign-in, which nothing older can overwrite; None: nothing to write."""
    if record is None:
        return Record(issuer=issuer, generation=generation, token=token)
    if record.generation >= generation or record.token == token:
        return None  # written already, but the confirmation was lost; or a newer sign-in stands
    if record.token is not None and record.refused is None and _refresh_id(token) in record.spent:
        return None  # R1: another process has signed in with this refresh token and renewed it
    if record.claim is not None and record.claim.spends is not None and record.claim.spends == _refresh_id(token):
        return None  # R1: another process is spending this refresh token, or may have spent it
    return Record(issuer=issuer, generation=generation, token=token, unknown=record.unknown)


def signed_out(record: Record | None, *, issuer: Issuer, generation: int) -> Record | None:
    """Return the tombstone that tells other processes of a sign-out; None: nothing to write."""
    if record is None:
        return Record(issuer=issuer, generation=generation, signed_out=True)
    if record.generation >= generation or (record.signed_out and record.token is None and record.claim is None):
        return None
    return Record(issuer=record.issuer, generation=generation, signed_out=True, unknown=record.unknown)


def next_generation(record: Record | None, wall: float, *, jitter: float) -> int:
    """Return the next generation, in microseconds since the epoch, so that it grows even if the store is emptied.

    If the last generation is ahead of our clock, *jitter* keeps two simultaneous sign-ins apart.
    """
    now = int(wall * _MICROSECONDS)
    return now if record is None else max(record.generation + 1 + int(jitter * _MICROSECONDS), now)


def _same_pair(one: Token, other: Token) -> bool:
    """Compare both tokens; a server may issue the same access token with a new refresh token."""
    return (one.access_token, one.refresh_token) == (other.access_token, other.refresh_token)


def _refresh_id(token: Token) -> str | None:
    return None if token.refresh_token is None else fingerprint(token.refresh_token)
