"""Records inside one JSON document, as FileStore and CallbackStore keep them, and the npm package's format."""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from bitbucket_auth_async.codecs.json import json_bytes, json_object
from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Issuer, Record

_LARGEST_VERSION = 2**63 - 1
_ADVICE = "It is left unchanged. Restore a backup, or remove the entry and sign in again."

UNKNOWN_ISSUER = Issuer(token_endpoint="", client_id="", grant_type="")
"""The issuer of a token of unknown origin; the process that renews it fills it in."""


def find(records: Mapping[str, Any], key: str, codec: Codec) -> Versioned | None:
    """Return the record under *key*, or None.

    Raises:
        RecordError: The entry is damaged, or belongs to another key; the message shows nothing of it.
    """
    version = version_of(records, key)
    if not version:
        return None
    return Versioned(codec.decode(key, _from_json(records[key].get("record"))), version)


def version_of(records: Mapping[str, Any], key: str) -> int:
    """Return the version under *key*, or 0.

    Raises:
        RecordError: The entry has no valid version.
    """
    if key not in records:
        return 0
    entry: object = records[key]
    version: object = cast("Mapping[str, object]", entry).get("version") if isinstance(entry, Mapping) else None
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= _LARGEST_VERSION:
        msg = f"The entry {key!r} is damaged: it has no version between 1 and 2**63 - 1. {_ADVICE}"
        raise RecordError(msg)
    return version


def put(records: Mapping[str, Any], key: str, data: bytes, version: int) -> dict[str, Any]:
    """Return a copy of *records* with the bytes of a record under *key*; other fields of the entry are kept."""
    return {**records, key: {**records.get(key, {}), "version": version, "record": _to_json(data)}}


def npm_record(refresh_token: str) -> Versioned:
    """Return the record of a sign-in by the npm package bitbucket-auth, which kept the refresh token alone.

    The access token is empty and long expired, so that it is never handed out. The issuer is unknown. The version is a
    hash of the token, the same each time.
    """
    token = Token(access_token="", refresh_token=refresh_token, issued_at=0.0, expires_at=0.0)
    digest = hashlib.sha256(refresh_token.encode("utf-8", "surrogatepass")).digest()
    version = int.from_bytes(digest[:8], "big") & _LARGEST_VERSION or 1
    return Versioned(Record(issuer=UNKNOWN_ISSUER, generation=0, token=token), version)


def _to_json(data: bytes) -> object:
    """Return a JSON object as it is, for people and tools to read, and all other bytes as base64."""
    with suppress(RecordError):  # not JSON: the codec encrypts
        value = json_object(data)
        if json_bytes(value) == data:  # else it would not be read back byte for byte
            return value
    return base64.b64encode(data).decode("ascii")


def _from_json(stored: object) -> bytes:
    if isinstance(stored, Mapping):
        return json_bytes(cast("Mapping[str, object]", stored))
    if isinstance(stored, str):
        with suppress(ValueError):
            return base64.b64decode(stored, validate=True)
    msg = f"The entry is damaged: its record is neither a JSON object nor base64. {_ADVICE}"
    raise RecordError(msg)
