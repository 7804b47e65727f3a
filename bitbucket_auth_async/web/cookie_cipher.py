"""CookieCipher: encrypts cookies, so that a browser can neither read, change, move nor outlive them."""

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
_MIN_BYTES = _ID_BYTES + _NONCE_BYTES + 16
_MAX_LENGTH = 4096  # RFC 6265 section 6.1: browsers keep at least this much of a cookie
_UNTIL = "until"


class CookieCipher:
    """Encrypts small JSON objects with AES-256-GCM; each is bound to a name and valid until a given time.

    The first key, the newest, encrypts; all keys decrypt. They may be the keys that encrypt a store's records: cookies
    use keys derived from them, which can't decrypt a record.

    Raises:
        ConfigurationError: There is no key.
    """

    __slots__ = ("_by_id", "_id")

    def __init__(self, keys: Iterable[EncryptionKey]) -> None:
        """Derive a cookie key from each key."""
        kept = checked_keys(keys)
        if not kept:
            msg = "keys: cookies need at least one key. Store EncryptionKey.new().text() and pass keys_from_env()."
            raise ConfigurationError(msg)
        self._id = kept[0].id
        self._by_id = {key.id: AESGCM(_derived(key)) for key in kept}

    def encrypt(self, name: str, content: Mapping[str, Any], *, until: float) -> str:
        """Return *content* as encrypted text for a cookie.

        Raises:
            ConfigurationError: The cookie would be longer than browsers keep.
        """
        nonce = os.urandom(_NONCE_BYTES)
        plain = json.dumps({**content, _UNTIL: until}, separators=(",", ":")).encode()
        sealed = self._by_id[self._id].encrypt(nonce, plain, _bound(name))
        text = base64.urlsafe_b64encode(self._id + nonce + sealed).rstrip(b"=").decode("ascii")
        # A cookie's name has no space (RFC 6265 section 4.1.1): text after one binds, but is not sent to the browser.
        length = len(name.partition(" ")[0]) + len(text)
        if length > _MAX_LENGTH:
            msg = (
                f"The cookie would have {length} characters, and browsers drop cookies above {_MAX_LENGTH}. Shorten "
                "the scope, the redirect_uri, or the name that identify= returns."
            )
            raise ConfigurationError(msg)
        return text

    def decrypt(self, name: str, text: str, *, now: float) -> dict[str, Any] | None:
        """Return the content encrypted under *name*; None if it is expired, changed, or not encrypted by these keys."""
        sealed = _bytes(text)
        cipher = self._by_id.get(sealed[:_ID_BYTES])
        if cipher is None or len(sealed) < _MIN_BYTES:
            return None
        start = _ID_BYTES + _NONCE_BYTES
        try:
            opened = cipher.decrypt(sealed[_ID_BYTES:start], sealed[start:], _bound(name))
        except InvalidTag:
            return None
        content: dict[str, Any] = json.loads(opened)
        return content if now < content.pop(_UNTIL) else None


def _bytes(text: str) -> bytes:
    if len(text) > _MAX_LENGTH or not text.isascii():
        return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _bound(name: str) -> bytes:
    return name.encode()


def _derived(key: EncryptionKey) -> bytes:
    return hmac.digest(key.secret, b"bitbucket_auth_async cookies", hashlib.sha256)
