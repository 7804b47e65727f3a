"""JsonCodec: records as plain JSON; and the strict JSON functions that stores share."""

import json
import math
from typing import Any, cast

from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.protocols import Codec
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.argument_checks import check

ENCRYPTED_PREFIX = b"\xb0bba\x01"
"""The first bytes of encrypted records: not UTF-8, and the last byte is the format's version."""


class JsonCodec:
    """Compact JSON in UTF-8; tokens are in clear, so the store must be private."""

    __slots__ = ()

    def encode(self, key: str, record: Record, /) -> bytes:  # noqa: ARG002  - only encryption binds the key
        """Return the record as one JSON object.

        Raises:
            RecordError: The record holds something that JSON can't, such as NaN; the message shows no value.
        """
        return json_bytes(record.to_plain())

    def decode(self, key: str, data: bytes, /) -> Record:  # noqa: ARG002  - as above
        """Return the record.

        Raises:
            RecordError: These are not the bytes of a record; the message shows none of them.
        """
        if data.startswith(ENCRYPTED_PREFIX):
            msg = (
                "The record is encrypted; it is left unchanged. Give the store codec=EncryptedCodec(keys); keys must "
                "include the key that encrypted it."
            )
            raise RecordError(msg)
        return Record.from_plain(json_object(data))


def checked_codec(codec: Codec) -> Codec:
    """Return the argument if it is a codec.

    Raises:
        ConfigurationError: It is something else, such as a list of keys.
    """
    check("codec", codec, "encode", "decode", example="a codec, such as EncryptedCodec(keys)")
    return codec


def json_bytes(value: object) -> bytes:
    """Return strict JSON (RFC 8259), compact and in ASCII, so that any text survives.

    Raises:
        RecordError: JSON can't hold the value; the message does not show it.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        reason = type(error).__name__
    # Raised outside the handler: the caught error may quote a value, and would stay attached as context.
    msg = f"JSON can't hold this ({reason}). Use only text, finite numbers, true, false, null, lists and objects."
    raise RecordError(msg)


def json_object(data: bytes) -> dict[str, Any]:
    """Parse strict JSON: one object in UTF-8, without duplicate names, with finite numbers only.

    Raises:
        RecordError: The bytes are something else; the message shows none of them.
    """
    try:
        value: object = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite
        )
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        reason = "not an object"
    except (ValueError, RecursionError) as error:
        reason = type(error).__name__
    # Raised outside the handler: a JSONDecodeError keeps the whole text, and would stay attached as context.
    msg = f"These bytes are not the JSON of a record ({reason}); they are left unchanged."
    raise RecordError(msg)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        msg = "duplicate name in an object"
        raise ValueError(msg)
    return names


def _refuse_constant(constant: str) -> float:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        msg = "a number is out of range"
        raise ValueError(msg)
    return number
