"""EncryptedCodec: encryption at rest by AES-GCM, each record bound to the key it is stored under."""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from bitbucket_auth_async.codecs.json import ENCRYPTED_PREFIX, JsonCodec
from bitbucket_auth_async.errors import ConfigurationError, RecordError
from bitbucket_auth_async.protocols import Codec
from bitbucket_auth_async.renewal.record import SCHEMA, Record
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.extras import extra

with extra("crypto"):
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SCHEMA_BYTES = 2
_ID_BYTES = 8
_HEADER_BYTES = len(ENCRYPTED_PREFIX) + _SCHEMA_BYTES + _ID_BYTES
_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2.2: random nonces are safe for 2**32 records per key
_TAG_BYTES = 16
_KEY_BYTES = 32
_JSON = JsonCodec()


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """256 random bits that encrypt records; `text()` gives the form for a variable, a file or the keyring.

    Raises:
        ConfigurationError: *secret* has another length.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a secret of another length."""
        if len(self.secret) != _KEY_BYTES:
            msg = f"An encryption key has {_KEY_BYTES} bytes, not {len(self.secret)}. Create one by `new().text()`."
            raise ConfigurationError(msg)

    @classmethod
    def new(cls) -> Self:
        """Return a new random key."""
        return cls(os.urandom(_KEY_BYTES))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the key that `text` wrote.

        Raises:
            ConfigurationError: *text* is something else; the message shows none of it.
        """
        try:
            secret = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            secret = None
        if secret is None:
            msg = "This is not an encryption key: 32 bytes in URL-safe base64. Create one by `new().text()`."
            raise ConfigurationError(msg)
        return cls(secret)

    def text(self) -> str:
        """Return the key as 44 characters of URL-safe base64."""
        return base64.urlsafe_b64encode(self.secret).decode("ascii")

    @property
    def id(self) -> bytes:
        """Eight bytes that identify the key and reveal nothing of it."""
        return hmac.digest(self.secret, b"bitbucket_auth_async key id", hashlib.sha256)[:_ID_BYTES]


def checked_keys(keys: Iterable[EncryptionKey]) -> list[EncryptionKey]:
    """Return the keys as a list.

    Raises:
        ConfigurationError: They are something else; the message shows none of them.
    """
    if isinstance(keys, EncryptionKey):
        msg = "keys takes a list, the newest key first: [key]."
        raise ConfigurationError(msg)
    kept = list(keys)
    for key in kept:
        check("keys", key, "id", "secret", example="EncryptionKey.from_text(text) for each key, or keys_from_env()")
    return kept


class EncryptedCodec:
    """Encrypts records with AES-256-GCM, so that readers of the store, a dump or a backup see no token.

    Each record is bound to its store key, its schema and the id of its encryption key. A record that was changed,
    truncated or put under another store key is refused and left unchanged. The first key, the newest, encrypts; all
    keys decrypt. So a key is rotated without downtime: add the new one last everywhere, then put it first, then run
    `reencrypt`, then remove the old one.

    It does not detect that an older record of the same store key was put back (a restored backup), or that a record was
    removed, and it does not hide a record's length.

    Args:
        keys: The encryption keys, newest first.
        allow_plain: Read plain records too; they are encrypted when they are next written. Turn it off once all records
            are encrypted: until then, anyone who can write to the store can put in a forged record.
        inner: The codec whose bytes are encrypted.

    Raises:
        ConfigurationError: There is no key.
    """

    __slots__ = ("_allow_plain", "_by_id", "_id", "_inner")

    def __init__(self, keys: Iterable[EncryptionKey], *, allow_plain: bool = False, inner: Codec = _JSON) -> None:
        """Keep the keys."""
        kept = checked_keys(keys)
        if not kept:
            msg = "EncryptedCodec takes at least one key. Use keys_from_env(), or [EncryptionKey.new()]."
            raise ConfigurationError(msg)
        self._id = kept[0].id
        self._by_id = {key.id: AESGCM(key.secret) for key in kept}
        self._allow_plain = allow_plain
        self._inner = inner

    def encode(self, key: str, record: Record, /) -> bytes:
        """Return the record, encrypted with the newest key.

        Raises:
            RecordError: The inner codec can't encode it.
        """
        header = ENCRYPTED_PREFIX + SCHEMA.to_bytes(_SCHEMA_BYTES, "big") + self._id
        nonce = os.urandom(_NONCE_BYTES)
        encrypted = self._by_id[self._id].encrypt(nonce, self._inner.encode(key, record), _associated_data(header, key))
        return header + nonce + encrypted

    def decode(self, key: str, data: bytes, /) -> Record:
        """Return the record.

        Raises:
            RecordError: The bytes are plain, encrypted with an unknown key, or changed since `encode`.
        """
        if not data.startswith(ENCRYPTED_PREFIX):
            return self._plain(key, data)
        header, nonce, encrypted = _split(data)
        schema = int.from_bytes(header[len(ENCRYPTED_PREFIX) : -_ID_BYTES], "big")
        if schema > SCHEMA:
            msg = f"The record has a schema newer than {SCHEMA}. Update bitbucket-auth-async here too."
            raise RecordError(msg)
        cipher = self._by_id.get(header[-_ID_BYTES:])
        if cipher is None:
            msg = (
                f"The record is encrypted with the key of id {header[-_ID_BYTES:].hex()}, which is not among these: "
                f"{', '.join(known.hex() for known in self._by_id)}. It is left unchanged. Add that key."
            )
            raise RecordError(msg)
        try:
            decrypted = cipher.decrypt(nonce, encrypted, _associated_data(header, key))
        except InvalidTag:
            decrypted = None
        if decrypted is None:
            msg = (
                "The record was changed, truncated, or encrypted under another store key; it is left unchanged. "
                "Restore a backup, or sign in again under another store key."
            )
            raise RecordError(msg)
        return self._inner.decode(key, decrypted)

    def _plain(self, key: str, data: bytes) -> Record:
        if self._allow_plain:
            return self._inner.decode(key, data)
        msg = (
            "The record is not encrypted; it is left unchanged. If it is older than the encryption, use "
            "allow_plain=True until all records are encrypted."
        )
        raise RecordError(msg)


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    if len(data) < _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES:
        msg = "The record was truncated; it is left unchanged. Restore a backup, or sign in under another store key."
        raise RecordError(msg)
    start = _HEADER_BYTES + _NONCE_BYTES
    return data[:_HEADER_BYTES], data[_HEADER_BYTES:start], data[start:]


def _associated_data(header: bytes, key: str) -> bytes:
    """Return header and store key; the header's length is fixed, so the result is unambiguous."""
    return header + key.encode("utf-8", "surrogatepass")
