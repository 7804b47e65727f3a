"""Seal: what we let a browser keep, so that it can neither read nor change it, nor use it elsewhere or later."""

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bitbucket_auth_async.codecs.encrypted import EncryptionKey, checked_keys
from bitbucket_auth_async.errors import ConfigurationError

_ID_BYTES = 8
_NONCE_BYTES = 12
_SHORTEST = _ID_BYTES + _NONCE_BYTES + 16
_LONGEST = 4096  # RFC 6265 section 6.1: what a browser keeps of one cookie
_UNTIL = "until"


class Seal:
    """Seals small JSON objects with AES-256-GCM, each bound to a name and good until a moment.

    The newest key, the first, seals; all of them open. Keys are EncryptionKeys, and may be those that seal the records
    of a store: what is used here is derived from them and opens no record.

    Raises:
        ConfigurationError: There is no key.
    """

    __slots__ = ("_by_id", "_id")

    def __init__(self, keys: Iterable[EncryptionKey]) -> None:
        """Derive what seals from each key."""
        kept = checked_keys(keys)
        if not kept:
            msg = "Cookies need at least one key: EncryptionKey.new(), kept somewhere, or keys_from_env()."
            raise ConfigurationError(msg)
        self._id = kept[0].id
        self._by_id = {key.id: AESGCM(_derived(key)) for key in kept}

    def seal(self, name: str, content: Mapping[str, Any], *, until: float) -> str:
        """Return *content* as text for a cookie.

        Raises:
            ConfigurationError: It is more than a browser keeps of one.
        """
        nonce = os.urandom(_NONCE_BYTES)
        plain = json.dumps({**content, _UNTIL: until}, separators=(",", ":")).encode()
        sealed = self._by_id[self._id].encrypt(nonce, plain, _bound(name))
        text = base64.urlsafe_b64encode(self._id + nonce + sealed).rstrip(b"=").decode("ascii")
        # A cookie's name has no blank (RFC 6265 section 4.1.1): what follows one binds, and the browser never sees it.
        length = len(name.partition(" ")[0]) + len(text)
        if length > _LONGEST:
            msg = (
                f"This would be a cookie of {length} characters, and browsers drop what exceeds {_LONGEST}. Shorten "
                "the scope, the redirect_uri, or the name that identify= gives."
            )
            raise ConfigurationError(msg)
        return text

    def open(self, name: str, text: str, *, now: float) -> dict[str, Any] | None:
        """Return what was sealed under *name*; None: it is not ours, not of this name, was changed, or is too old."""
        sealed = _bytes(text)
        cipher = self._by_id.get(sealed[:_ID_BYTES])
        if cipher is None or len(sealed) < _SHORTEST:
            return None
        start = _ID_BYTES + _NONCE_BYTES
        try:
            opened = cipher.decrypt(sealed[_ID_BYTES:start], sealed[start:], _bound(name))
        except InvalidTag:
            return None
        content: dict[str, Any] = json.loads(opened)
        return content if now < content.pop(_UNTIL) else None


def _bytes(text: str) -> bytes:
    if len(text) > _LONGEST or not text.isascii():
        return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _bound(name: str) -> bytes:
    return name.encode()


def _derived(key: EncryptionKey) -> bytes:
    return hmac.digest(key.secret, b"bitbucket_auth_async cookies", hashlib.sha256)
