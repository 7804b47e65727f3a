"""What an identity at rest remembers of its record: enough to renew without a look at the store, in a few bytes."""

import struct

from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Issuer, Record

_HEAD = struct.Struct(">QQBB")
"""Version, generation, forced, how many fingerprints follow; then those, 16 bytes each; then the grant type."""
_PRINT = 16
_MOST = 2**64
_OFTEN = 256

Memo = bytes | Versioned
"""What a manager at rest remembers of the record: folded into a few bytes, or all of it."""


def folded(seen: Versioned | None, token: Token | None, issuer: Issuer) -> Memo | None:
    """Return *seen* as bytes if there is nothing in it but *token*, as with a healthy sign-in; else as it is."""
    if seen is None or token is None:
        return seen
    record, version = seen
    plain = Record(
        issuer=Issuer(
            token_endpoint=issuer.token_endpoint, client_id=issuer.client_id, grant_type=record.issuer.grant_type
        ),
        generation=record.generation,
        token=token,
        spent=record.spent,
        forced=record.forced,
    )
    if record != plain or not (0 < version < _MOST and 0 <= record.generation < _MOST and 0 <= record.forced < _OFTEN):
        return seen
    try:
        spent = [bytes.fromhex(name) for name in record.spent]
    except ValueError:
        return seen
    if any(len(each) != _PRINT or each.hex() != name for each, name in zip(spent, record.spent, strict=True)):
        return seen
    head = _HEAD.pack(version, record.generation, record.forced, len(spent))
    return head + b"".join(spent) + record.issuer.grant_type.encode()


def unfolded(memo: Memo | None, token: Token | None, issuer: Issuer) -> Versioned | None:
    """Return what was folded."""
    if not isinstance(memo, bytes):
        return memo
    version, generation, forced, count = _HEAD.unpack_from(memo)
    end = _HEAD.size + count * _PRINT
    grant_type = memo[end:].decode()
    return Versioned(
        Record(
            issuer=Issuer(token_endpoint=issuer.token_endpoint, client_id=issuer.client_id, grant_type=grant_type),
            generation=generation,
            token=token,
            spent=tuple(memo[start : start + _PRINT].hex() for start in range(_HEAD.size, end, _PRINT)),
            forced=forced,
        ),
        version,
    )
