"""A compact copy of the stored record, kept while a manager is idle, so that a renewal needs no extra load."""

import struct

from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Issuer, Record

_HEADER = struct.Struct(">QQBB")
"""Version, generation, forced, number of fingerprints; then the fingerprints (16 bytes each) and the grant type."""
_FINGERPRINT_SIZE = 16
_MAX_UINT64 = 2**64
_MAX_UINT8 = 256

PackedRecord = bytes | Versioned
"""The record in a few bytes, or whole if it does not fit them."""


def pack(seen: Versioned | None, token: Token | None, issuer: Issuer) -> PackedRecord | None:
    """Return *seen* as bytes if *token* and *issuer* complete it, as for a healthy sign-in; else unchanged."""
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
    numbers_fit = 0 < version < _MAX_UINT64 and 0 <= record.generation < _MAX_UINT64 and 0 <= record.forced < _MAX_UINT8
    if record != plain or not numbers_fit:
        return seen
    try:
        spent = [bytes.fromhex(name) for name in record.spent]
    except ValueError:
        return seen
    if any(len(each) != _FINGERPRINT_SIZE for each in spent) or [each.hex() for each in spent] != [*record.spent]:
        return seen
    header = _HEADER.pack(version, record.generation, record.forced, len(spent))
    return header + b"".join(spent) + record.issuer.grant_type.encode()


def unpack(packed: PackedRecord | None, token: Token | None, issuer: Issuer) -> Versioned | None:
    """Return the record that `pack` was given."""
    if not isinstance(packed, bytes):
        return packed
    version, generation, forced, count = _HEADER.unpack_from(packed)
    end = _HEADER.size + count * _FINGERPRINT_SIZE
    grant_type = packed[end:].decode()
    return Versioned(
        Record(
            issuer=Issuer(token_endpoint=issuer.token_endpoint, client_id=issuer.client_id, grant_type=grant_type),
            generation=generation,
            token=token,
            spent=tuple(
                packed[start : start + _FINGERPRINT_SIZE].hex() for start in range(_HEADER.size, end, _FINGERPRINT_SIZE)
            ),
            forced=forced,
        ),
        version,
    )
