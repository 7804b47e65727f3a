"""Records inside one JSON document: the form that the file and the callbacks share, and the ancestor's form."""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from bitbucket_auth_async.codecs.json import json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, RecordError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Issuer, Record

_LARGEST_VERSION = 2**63 - 1

UNKNOWN_ISSUER = Issuer(token_endpoint="", client_id="", grant_type="")
"""Of a token whose origin nobody wrote down; whoever renews it fills it in."""


def check_key(key: str) -> None:
    """Refuse what can't name anything in JSON.

    Raises:
        ConfigurationError: It is not text, or has half of a surrogate pair in it (RFC 8259 section 8.2).
    """
    if not isinstance(key, str):
        msg = f"key: expected text, found a {type(key).__name__}."
        raise ConfigurationError(msg)
    if any("\ud800" <= character <= "\udfff" for character in key):
        msg = f"key {key!r} has half of a surrogate pair in it, which no store can hold; decode it as UTF-8 first."
        raise ConfigurationError(msg)


def find(records: Mapping[str, Any], key: str, codec: Codec) -> Versioned | None:
    """Return the record under *key*; None means that there is none.

    Raises:
        RecordError: What is there is damaged, or not under this key; the text shows none of it.
    """
    version = version_of(records, key)
    if not version:
        return None
    return Versioned(codec.decode(key, _bytes(records[key].get("record"))), version)


def version_of(records: Mapping[str, Any], key: str) -> int:
    """Return the version under *key*, 0 where nothing is.

    Raises:
        RecordError: What is there has no version that we could have given.
    """
    if key not in records:
        return 0
    entry: object = records[key]
    version: object = cast("Mapping[str, object]", entry).get("version") if isinstance(entry, Mapping) else None
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= _LARGEST_VERSION:
        msg = f"The entry {key!r} is damaged: it has no version between 1 and 2**63 - 1. It is left as it is."
        raise RecordError(msg)
    return version


def put(records: Mapping[str, Any], key: str, data: bytes, version: int) -> dict[str, Any]:
    """Return *records* with the bytes of a record under *key*; whatever else an entry has stays in it."""
    return {**records, key: {**records.get(key, {}), "version": version, "record": _readable(data)}}


def ancestor(refresh_token: str) -> Versioned:
    """Return the record of someone who signed in with the npm package bitbucket-auth.

    All that package kept is a refresh token: the access token is empty and long expired, so that it is never handed
    out, and the issuer is unknown. The version is a hash of the token, the same each time.
    """
    token = Token(access_token="", refresh_token=refresh_token, issued_at=0.0, expires_at=0.0)
    digest = hashlib.sha256(refresh_token.encode("utf-8", "surrogatepass")).digest()
    version = int.from_bytes(digest[:8], "big") & _LARGEST_VERSION or 1
    return Versioned(Record(issuer=UNKNOWN_ISSUER, generation=0, token=token), version)


def _readable(data: bytes) -> object:
    """Give a codec's JSON object as it is, for people and tools to read, and all else as base64."""
    with suppress(RecordError):  # not JSON at all: a codec that encrypts
        value = json_object(data)
        if json_bytes(value) == data:  # else reading it back would change a byte
            return value
    return base64.b64encode(data).decode("ascii")


def _bytes(stored: object) -> bytes:
    if isinstance(stored, Mapping):
        return json_bytes(cast("Mapping[str, object]", stored))
    if isinstance(stored, str):
        with suppress(ValueError):
            return base64.b64decode(stored, validate=True)
    msg = "The entry is damaged: its record is neither a JSON object nor base64. It is left as it is."
    raise RecordError(msg)
