"""move_records: move records to another store or codec while programs go on using them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.settle import signed_out
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, sleep
from bitbucket_auth_async.runtime.process_identity import is_gone
from bitbucket_auth_async.stores._key_checks import checked_key_list

_POLL = 0.1
_MAX_GENERATION_GAP = 2
"""After an interrupted move, one sign-in's generations in two stores differ by this much at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveResult:
    """Which keys were moved, and which had nothing to move."""

    moved: tuple[str, ...]
    """Keys whose record is in the target now."""
    absent: tuple[str, ...]
    """Keys without a record in the source, or signed out in the source or later in the target."""


async def move_records(  # noqa: PLR0913  - three of them are keyword-only with defaults
    source: TokenStore,
    target: TokenStore,
    keys: Iterable[str],
    *,
    leave_copy: bool = False,
    lease: float = 60.0,
    clock: Clock = SYSTEM_CLOCK,
) -> MoveResult:
    """Move the records of *keys* to *target*, leaving tombstones in *source*, so that no refresh token is spent twice.

    Programs may use the source during the move, and an interrupted move may be run again. Running renewals are waited
    for. Each record is written to the target before it is closed in the source, so one of the two always has it; if it
    changed in between, it is copied again. After that, a program that still uses the source gets LoginRequiredError, or
    uses its own grant: restart it with the target, once its records are there. If the target has a record of the same
    sign-in, the newer token becomes the current one and the older a spare. Of two sign-ins, and of a sign-in and a
    sign-out, the later one counts.

    Args:
        source: The store that has the records.
        target: The store that gets them; its codec encodes them, so a move can also encrypt.
        keys: The keys to move: `keys()` of a store that can list, or keys that the program knows.
        leave_copy: Leave the records in the source. Then only one of the stores may be used: a renewal in one
            invalidates the refresh token in the other.
        lease: Seconds after which an unfinished renewal is no longer waited for: `Timing.lease` of the programs that
            use the source.
        clock: For tests.

    Raises:
        ConfigurationError: The target has another client's record under one of the keys, or *keys* is one text.
        StoreError: A store failed; records moved before that stay moved.
    """
    moved: list[str] = []
    absent: list[str] = []
    for key in checked_key_list(keys):
        while True:
            found = await _without_claim(source, key, lease, clock)
            if found is None or found.record.token is None:
                if found is not None and found.record.signed_out:
                    await _sign_out(target, key, found.record)
                absent.append(key)
                break
            written = await _write(target, key, found.record)
            if leave_copy or await source.swap(key, _closed(found.record), expected=found.version):
                (moved if written else absent).append(key)
                break
    return MoveResult(moved=tuple(moved), absent=tuple(absent))


async def _without_claim(store: TokenStore, key: str, lease: float, clock: Clock) -> Versioned | None:
    """Return the record once its renewal has ended, its claim has outlasted the lease, or the claim's owner is gone."""
    seen, since = await store.load(key), clock.boot()
    while seen is not None and seen.record.claim is not None:
        claim = seen.record.claim
        if claim.lost or is_gone(claim.host, claim.process) or clock.boot() - since >= lease:
            break
        await sleep(clock, _POLL)
        found = await store.load(key)
        if found is None or found.version != seen.version:
            since = clock.boot()
        seen = found
    return seen


async def _write(target: TokenStore, key: str, record: Record) -> bool:
    """Write the record to the target; return False if a later sign-out there stands instead."""
    while True:
        found = await target.load(key)
        wanted = record if found is None else _merged(record, found.record, key)
        if found is not None and wanted == found.record:
            return wanted.token is not None
        if await target.swap(key, wanted, expected=0 if found is None else found.version):
            return True


async def _sign_out(target: TokenStore, key: str, tombstone: Record) -> None:
    """Repeat in the target a sign-out that came after an interrupted move; other tombstones were left by moves."""
    while (found := await target.load(key)) is not None:
        if not _same_client(found.record, tombstone) or tombstone.generation <= found.record.generation + 1:
            return
        change = signed_out(found.record, issuer=tombstone.issuer, generation=tombstone.generation)
        if change is None or await target.swap(key, change, expected=found.version):
            return


def _merged(record: Record, existing: Record, key: str) -> Record:
    """Return the record that the target should hold: the newer token, with all others that may still be needed."""
    if existing.token is None and existing.generation > record.generation + 1:
        return existing  # R3: a later sign-out; a tombstone that is one generation ahead was left by an earlier move
    if existing.token is None:
        return replace(record, generation=max(record.generation, existing.generation + 1))
    if not _same_client(existing, record):
        msg = f"The target's record of {key!r} belongs to another client or server. Remove it, or choose another key."
        raise ConfigurationError(msg)
    if abs(record.generation - existing.generation) > _MAX_GENERATION_GAP:  # R3: two sign-ins; the later one counts
        return max(record, existing, key=lambda each: each.generation)
    newer, older = (record, existing) if _issued_at(record) > _issued_at(existing) else (existing, record)
    known = {(token.access_token, token.refresh_token) for token in (_token(newer), *newer.spares)}
    spares = tuple(
        token
        for token in (_token(older), *older.spares)
        if token.refresh_token is not None and (token.access_token, token.refresh_token) not in known
    )
    return replace(newer, generation=max(record.generation, existing.generation), spares=(*newer.spares, *spares))


def _same_client(one: Record, other: Record) -> bool:
    return (one.issuer.token_endpoint, one.issuer.client_id) == (other.issuer.token_endpoint, other.issuer.client_id)


def _issued_at(record: Record) -> float:
    return _token(record).issued_at


def _token(record: Record) -> Token:
    if record.token is None:
        msg = "A record without a token is never merged."
        raise AssertionError(msg)
    return record.token


def _closed(record: Record) -> Record:
    """Return the tombstone that a sign-out would leave."""
    return Record(issuer=record.issuer, generation=record.generation + 1, signed_out=True, unknown=record.unknown)
