"""A record as bytes, and bytes as a record: JSON here; whatever encrypts has the same two methods."""

import json
import math
from typing import Any, cast

from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.protocols import Codec
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.argument_checks import check

SEALED = b"\xb0bba\x01"
"""What sealed records begin with: the first byte begins no text in UTF-8, the last is the format's number."""


class JsonCodec:
    """Compact JSON in UTF-8, readable by any tool; secrets are in clear, so the place must be private."""

    __slots__ = ()

    def encode(self, key: str, record: Record, /) -> bytes:  # noqa: ARG002  - a codec that encrypts binds the key, JSON has nothing to bind
        """Return the record as one JSON object.

        Raises:
            RecordError: The record holds what JSON can't, such as NaN; the text shows no value.
        """
        return json_bytes(record.to_plain())

    def decode(self, key: str, data: bytes, /) -> Record:  # noqa: ARG002  - as above
        """Return the record.

        Raises:
            RecordError: These are not the bytes of a record; the text shows none of them.
        """
        if data.startswith(SEALED):
            msg = (
                "The record is encrypted; it is left as it is. Give the store codec=EncryptedCodec(keys), with the key "
                "that sealed it among them."
            )
            raise RecordError(msg)
        return Record.from_plain(json_object(data))


def codec_of(codec: Codec) -> Codec:
    """Return it, if it is one.

    Raises:
        ConfigurationError: It is something else, such as the keys that a codec is made of.
    """
    check("codec", codec, "encode", "decode", example="a codec, such as EncryptedCodec(keys)")
    return codec


def json_bytes(value: object) -> bytes:
    """Return strict JSON (RFC 8259), compact and all in ASCII, so that any text survives.

    Raises:
        RecordError: JSON can't hold it; the text shows no value.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        reason = type(error).__name__
    # Raised out here: inside the handler the caught error, which may quote a value, would stay attached as context.
    msg = (
        f"JSON can't hold this ({reason}): it has text, finite numbers, true, false, null, lists and objects, no more."
    )
    raise RecordError(msg)


def json_object(data: bytes) -> dict[str, Any]:
    """Return what strict JSON says: one object, in UTF-8, no name twice in any, finite numbers alone.

    Raises:
        RecordError: It is something else; the text shows none of it.
    """
    try:
        value: object = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite
        )
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        reason = "no object"
    except (ValueError, RecursionError) as error:
        reason = type(error).__name__
    # Raised out here: a JSONDecodeError keeps the whole text that it was given.
    msg = f"These bytes are not the JSON of a record ({reason}); they are left as they are."
    raise RecordError(msg)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        msg = "a name stands twice in one object"
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
