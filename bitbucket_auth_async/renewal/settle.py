"""The protocol's other half, pure too: what the answer to a token request means for the record as it is by then."""

from dataclasses import dataclass, replace

from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    InvalidGrantError,
    OAuthError,
    TransportError,
    UnavailableError,
)
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.renewal.decide import LONGEST_REST, Spend
from bitbucket_auth_async.renewal.record import Claim, Issuer, Record, Rest
from bitbucket_auth_async.renewal.timing import good_for

_TOO_MANY = 429
_SHORTEST_REST = 0.25
_REMEMBERED = 4
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What was asked, under which claim."""

    owner: str
    generation: int | None
    """None: the store was down, so this was a replay without a claim."""
    issuer: Issuer
    spends: str | None
    """Fingerprint of the refresh token that was presented; None: a replayable grant."""
    forced: bool = False

    @classmethod
    def of(cls, spend: Spend, owner: str) -> "Attempt":
        """Return the attempt that a decision to spend begins."""
        record, claim = spend.record, spend.record.claim
        spends = None if claim is None else claim.spends
        return cls(owner=owner, generation=record.generation, issuer=record.issuer, spends=spends, forced=spend.forced)


@dataclass(frozen=True, slots=True)
class Renewed:
    """The server issued a token."""

    token: Token


@dataclass(frozen=True, slots=True)
class Outage:
    """No token and no refusal. *harmless*: the request surely changed nothing at the server."""

    reason: str
    harmless: bool
    retry_after: float = 0.0
    broken: bool = False
    """The connection broke, which is often nobody's fault: the first time in a row there is no rest."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """We were torn down while the request was out: the server is not to blame, and the answer is lost."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was presented is dead."""


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The server minds the client or the request, not the token."""


Outcome = Renewed | Outage | Interrupted | Refused | Misconfigured
"""What became of a token request."""


def outcome_of(error: BitbucketAuthError) -> Outcome:
    """Sort a failed token request into R7's three kinds: outage, refused, misconfigured."""
    if isinstance(error, InvalidGrantError):
        return Refused()
    if isinstance(error, OAuthError):
        return Misconfigured()
    if isinstance(error, TransportError):
        return Outage(str(error), harmless=not error.sent, broken=error.broken)
    if isinstance(error, UnavailableError):
        return Outage(str(error), harmless=error.status == _TOO_MANY, retry_after=error.retry_after or 0.0)
    return Misconfigured()


def pause(attempts: int, *, jitter: float, retry_after: float = 0.0, left: float = 0.0) -> float:
    """Return how many seconds to rest after *attempts* failures in a row: doubling from 1 s to 1 minute, jittered.

    Of the seconds that are *left* to the present token no more than half are rested away, so that a short-lived token
    gets its further attempts; but what the server asked for in *retry_after* is kept.
    """
    doubling: float = min(60.0, 2.0 ** min(attempts - 1, 6)) * (0.75 + 0.5 * jitter)
    if left > 0:
        doubling = min(doubling, max(left / 2, _SHORTEST_REST))
    return min(max(doubling, retry_after), LONGEST_REST)


def settle(record: Record | None, *, attempt: Attempt, outcome: Outcome, wall: float, jitter: float) -> Record | None:
    """Return the record with the outcome in it; None: there is nothing to write."""
    if isinstance(outcome, Renewed):
        return _renewed(record, attempt, outcome.token)
    if record is None or record.claim is None or record.claim.owner != attempt.owner:
        return None  # what a failure means is for the claim's present owner to say
    claim = record.claim
    if claim.lost:
        return None  # an earlier save, whose confirmation was lost, got in
    if isinstance(outcome, Outage):
        attempts = 1 if record.rest is None else record.rest.attempts + 1
        left = 0.0 if record.token is None else good_for(record.token, wall)
        seconds = pause(attempts, jitter=jitter, retry_after=outcome.retry_after, left=left)
        until = wall if outcome.broken and attempts == 1 else wall + seconds
        rest = Rest(since=wall, until=until, attempts=attempts, reason=outcome.reason)
        return replace(record, claim=_undone(claim) if outcome.harmless else _lost(claim), rest=rest)
    if isinstance(outcome, Interrupted):
        return replace(record, claim=_lost(claim))
    if isinstance(outcome, Misconfigured):
        return replace(record, claim=_undone(claim))
    return _refused(record, attempt.spends)


def _renewed(record: Record | None, attempt: Attempt, token: Token) -> Record | None:
    if record is None:
        return _anew(attempt, token)
    if attempt.generation is not None and record.generation > attempt.generation:
        return None  # R3: a newer sign-in or sign-out stands
    if attempt.generation is not None and record.generation < attempt.generation:  # a backup was put back
        return replace(_anew(attempt, token), unknown=record.unknown)
    if attempt.generation is None and record.issuer != attempt.issuer:
        return None
    if record.claim is not None and record.claim.owner == attempt.owner:
        return replace(_current(record, attempt, token), forced=record.forced + 1 if attempt.forced else 0)
    if _print(token) in record.spent and _print(token) != attempt.spends:
        return None  # an earlier save, whose confirmation was lost, got in, and the token has been renewed since
    return _late(record, attempt, token)


def _anew(attempt: Attempt, token: Token) -> Record:
    """Begin again where the store forgot; of what was spent we know our own, which somebody else may yet bring."""
    record = Record(issuer=attempt.issuer, generation=attempt.generation or 0, token=token)
    return replace(record, spent=_spent(record, attempt, token))


def _current(record: Record, attempt: Attempt, token: Token) -> Record:
    """Make *token* the current one; what it does not replace becomes a spare."""
    before, spent = record.token, _spent(record, attempt, token)
    gone = {attempt.spends, None, *spent}
    spares = tuple(spare for spare in record.spares if _print(spare) not in gone)
    if before is not None and _print(before) not in {record.refused, *gone}:
        spares = (before, *spares)  # a late answer took the place while we were out
    return replace(
        record, token=token, claim=None, spares=spares, spent=spent, refused=None, rest=None, signed_out=False
    )


def _spent(record: Record, attempt: Attempt, token: Token) -> tuple[str, ...]:
    """Remember what *token* came for: it is spent, unless the server does not rotate."""
    return record.spent if _print(token) == attempt.spends else _known(record, attempt.spends)


def _known(record: Record, gone: str | None) -> tuple[str, ...]:
    """Remember one more refresh token of which nothing is to be had any more."""
    return record.spent if gone is None else (gone, *(name for name in record.spent if name != gone))[:_REMEMBERED]


def _late(record: Record, attempt: Attempt, token: Token) -> Record | None:
    """R3: our claim had lapsed; find the token its place without going back."""
    current = record.token
    newer = current is None or token.issued_at > current.issued_at
    rotated = _print(token) != attempt.spends  # else the present token may be a younger one that looks alike
    replaced = current is None or _print(current) in {attempt.spends, record.refused} - {None}
    fits = replaced or newer if token.refresh_token is None else replaced and (rotated or newer)
    if fits and record.claim is None:  # nothing newer was saved, nobody is about to, and no later answer was lost
        return _current(record, attempt, token)
    if token.refresh_token is None:
        return None  # it can be had again
    if any(known is not None and _alike(known, token) for known in (current, *record.spares)):
        return None  # an earlier save, whose confirmation was lost, got in
    return replace(record, spares=(token, *record.spares), spent=_spent(record, attempt, token))


def _refused(record: Record, spends: str | None) -> Record:
    spares = tuple(spare for spare in record.spares if _print(spare) != spends)
    current = None if record.token is None else _print(record.token)
    refused = spends if spends is not None and current == spends else record.refused
    return replace(record, claim=None, spares=spares, spent=_known(record, spends), refused=refused, rest=None)


def _undone(claim: Claim) -> Claim | None:
    """Take a claim back under which nothing happened; an older doubt about the same token stays."""
    return None if claim.doubt_since is None else replace(claim, lost=True)


def _lost(claim: Claim) -> Claim | None:
    """Note that the answer never came; a replayable grant leaves no doubt behind."""
    if claim.spends is None:
        return None
    doubt_since = claim.since if claim.doubt_since is None else claim.doubt_since
    return replace(claim, lost=True, doubt_since=doubt_since)


def signed_in(record: Record | None, *, token: Token, issuer: Issuer, generation: int) -> Record | None:
    """Return the record of a new sign-in, which nothing older can overwrite, even if the store forgot the last one."""
    if record is None:
        return Record(issuer=issuer, generation=generation, token=token)
    if record.generation >= generation or record.token == token:
        return None  # an earlier save, whose confirmation was lost, got in; or somebody's newer sign-in stands
    if record.token is not None and record.refused is None and _print(token) in record.spent:
        return None  # R1: somebody brought the same refresh token and renewed it; what came of that stands
    if record.claim is not None and record.claim.spends is not None and record.claim.spends == _print(token):
        return None  # R1: somebody is spending that very refresh token, or may have; what comes of that will stand
    return Record(issuer=issuer, generation=generation, token=token, unknown=record.unknown)


def signed_out(record: Record | None, *, issuer: Issuer, generation: int) -> Record | None:
    """Return the tombstone from which all that share the store learn that the person signed out."""
    if record is None:
        return Record(issuer=issuer, generation=generation, signed_out=True)
    if record.generation >= generation or (record.signed_out and record.token is None and record.claim is None):
        return None
    return Record(issuer=record.issuer, generation=generation, signed_out=True, unknown=record.unknown)


def next_generation(record: Record | None, wall: float, *, jitter: float) -> int:
    """Count on; by microseconds, so that the first sign-in in an emptied store still comes after the last before.

    Where the last number is ahead of our clock, *jitter* keeps two who count on from it at once from meeting.
    """
    now = int(wall * _MICRO)
    return now if record is None else max(record.generation + 1 + int(jitter * _MICRO), now)


def _alike(one: Token, other: Token) -> bool:
    """Tell whether two are the same pair; a server may give its present access token again, to a new refresh token."""
    return (one.access_token, one.refresh_token) == (other.access_token, other.refresh_token)


def _print(token: Token) -> str | None:
    return None if token.refresh_token is None else fingerprint(token.refresh_token)
