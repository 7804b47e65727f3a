"""Records on their way from one store to another, or through another codec, while programs go on using them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.settle import signed_out
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, sleep
from bitbucket_auth_async.runtime.process_identity import is_gone

_POLL = 0.1
_MOVES = 2
"""So far apart at most are the generations of one sign-in in two stores, after a move that was cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of each key."""

    moved: tuple[str, ...]
    """These are in the target now."""
    absent: tuple[str, ...]
    """Of these there is nothing to move: no record, or one of somebody who signed out, in the source or since then in
    the target."""


async def move_records(  # noqa: PLR0913  - three of them go by name and have a default
    source: TokenStore,
    target: TokenStore,
    keys: Iterable[str],
    *,
    leave_copy: bool = False,
    lease: float = 60.0,
    clock: Clock = SYSTEM_CLOCK,
) -> Moved:
    """Put the records of *keys* into *target*, and a tombstone in the place of each, so that nobody spends it twice.

    It may run while programs use the source, and may be run again after it was cut off. A renewal that is under way is
    waited for. A record is written to the target first and closed in the source after that, so it is always in one of
    the two; if it changed in between, it is taken again. From then on a program that still uses the source gets
    LoginRequiredError, or presents a grant of its own: start it anew with the target, and no earlier than its records
    are there. What the target knew of the same sign-in is not lost: the younger token is the current one, the other a
    spare. Of two sign-ins, and of a sign-in and a sign-out, the later one counts.

    Args:
        source: Where they are.
        target: Where they go; its codec writes them, so this is also how a store comes by encryption elsewhere.
        keys: Which ones; `keys()` of a store that can list, or what the program knows.
        leave_copy: Leave them in the source as they are. Then nobody may use one of the two any more: who renews in
            one of them kills the refresh token in the other.
        lease: Seconds after which a renewal that never ended is not waited for any longer; `Timing.lease` of those
            who use the source.
        clock: For tests.

    Raises:
        ConfigurationError: The target has somebody else's record under one of the keys, or *keys* is one text.
        StoreError: A store failed; what was moved before is moved.
    """
    moved: list[str] = []
    absent: list[str] = []
    for key in _several(keys):
        while True:
            found = await _at_rest(source, key, lease, clock)
            if found is None or found.record.token is None:
                if found is not None and found.record.signed_out:
                    await _sign_out(target, key, found.record)
                absent.append(key)
                break
            there = await _write(target, key, found.record)
            if leave_copy or await source.swap(key, _closed(found.record), expected=found.version):
                (moved if there else absent).append(key)
                break
    return Moved(moved=tuple(moved), absent=tuple(absent))


async def reencrypt(store: TokenStore, keys: Iterable[str]) -> int:
    """Write the records of *keys* again as the store's codec writes them now; return how many there were.

    So the oldest encryption key can be taken out afterwards, or what was plain is encrypted, while programs go on.

    Raises:
        ConfigurationError: *keys* is one text.
        StoreError: The store failed, or a record can't be read; what was written before is written.
    """
    written = 0
    for key in _several(keys):
        while (found := await store.load(key)) is not None:
            if await store.swap(key, found.record, expected=found.version):
                written += 1
                break
    return written


def _several(keys: Iterable[str]) -> Iterable[str]:
    """Refuse one text, whose letters would be taken for keys: nothing would be found, and nothing said."""
    if isinstance(keys, str):
        msg = f"keys takes several of them, such as [{keys!r}], and not one text."
        raise ConfigurationError(msg)
    return keys


async def _at_rest(store: TokenStore, key: str, lease: float, clock: Clock) -> Versioned | None:
    """Return the record once nobody is renewing it, or whoever did so is gone or has had all the time there is."""
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
    """Put the record there; False: the person has signed out there, and that stands."""
    while True:
        there = await target.load(key)
        wanted = record if there is None else _joined(record, there.record, key)
        if there is not None and wanted == there.record:
            return wanted.token is not None
        if await target.swap(key, wanted, expected=0 if there is None else there.version):
            return True


async def _sign_out(target: TokenStore, key: str, tombstone: Record) -> None:
    """Let a sign-out count in the target too, if it came after a move that was cut off; other tombstones are moves'."""
    while (there := await target.load(key)) is not None:
        known, ours = there.record, tombstone.issuer
        same_client = (known.issuer.token_endpoint, known.issuer.client_id) == (ours.token_endpoint, ours.client_id)
        if not same_client or tombstone.generation <= known.generation + 1:
            return
        gone = signed_out(known, issuer=ours, generation=tombstone.generation)
        if gone is None or await target.swap(key, gone, expected=there.version):
            return


def _joined(record: Record, there: Record, key: str) -> Record:
    """Return what the target should hold: the younger token, with every other that somebody might still need."""
    if there.token is None and there.generation > record.generation + 1:
        return there  # R3: a sign-out that came after it; one more is what an earlier move away left
    if there.token is None:
        return replace(record, generation=max(record.generation, there.generation + 1))
    if (there.issuer.token_endpoint, there.issuer.client_id) != (record.issuer.token_endpoint, record.issuer.client_id):
        msg = f"The target's record of {key!r} is of another client or server. Take it away, or choose another key."
        raise ConfigurationError(msg)
    if abs(record.generation - there.generation) > _MOVES:  # R3: two sign-ins, of which the later one counts
        return max(record, there, key=lambda each: each.generation)
    younger, older = (record, there) if _age(record) > _age(there) else (there, record)
    known = {(token.access_token, token.refresh_token) for token in (_token(younger), *younger.spares)}
    spares = tuple(
        token
        for token in (_token(older), *older.spares)
        if token.refresh_token is not None and (token.access_token, token.refresh_token) not in known
    )
    return replace(younger, generation=max(record.generation, there.generation), spares=(*younger.spares, *spares))


def _age(record: Record) -> float:
    return _token(record).issued_at


def _token(record: Record) -> Token:
    if record.token is None:
        msg = "A record without a token is not joined with another."
        raise AssertionError(msg)
    return record.token


def _closed(record: Record) -> Record:
    """Return the tombstone that a sign-out would leave."""
    return Record(issuer=record.issuer, generation=record.generation + 1, signed_out=True, unknown=record.unknown)
