"""Encryption at rest: a codec that seals each record with AES-GCM, bound to the key it is stored under."""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from bitbucket_auth_async.codecs.json import SEALED, JsonCodec
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
_HEADER_BYTES = len(SEALED) + _SCHEMA_BYTES + _ID_BYTES
_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2.2: random ones are good for 2**32 records a key
_TAG_BYTES = 16
_KEY_BYTES = 32
_JSON = JsonCodec()


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """256 random bits that seal records; its text is what goes into a variable, a file or the keyring.

    Raises:
        ConfigurationError: It has another length.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no key of AES-256."""
        if len(self.secret) != _KEY_BYTES:
            msg = f"An encryption key has {_KEY_BYTES} bytes, this one {len(self.secret)}: make one by `new().text()`."
            raise ConfigurationError(msg)

    @classmethod
    def new(cls) -> Self:
        """Return a new random key."""
        return cls(os.urandom(_KEY_BYTES))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read back what `text` gave.

        Raises:
            ConfigurationError: It is something else; the message shows none of it.
        """
        try:
            secret = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            secret = None
        if secret is None:
            msg = "An encryption key is written as 32 bytes in URL-safe base64, and this text is not."
            raise ConfigurationError(msg)
        return cls(secret)

    def text(self) -> str:
        """Return the key as 44 characters of URL-safe base64."""
        return base64.urlsafe_b64encode(self.secret).decode("ascii")

    @property
    def id(self) -> bytes:
        """Eight bytes that tell the key from others, and tell nothing of it."""
        return hmac.digest(self.secret, b"bitbucket_auth_async key id", hashlib.sha256)[:_ID_BYTES]


def checked_keys(keys: Iterable[EncryptionKey]) -> list[EncryptionKey]:
    """Return the keys as a list.

    Raises:
        ConfigurationError: They are something else; the message shows none of it.
    """
    if isinstance(keys, EncryptionKey):
        msg = "keys takes a list, the newest key first: [key]."
        raise ConfigurationError(msg)
    kept = list(keys)
    for key in kept:
        check("keys", key, "id", "secret", example="EncryptionKey.from_text(text) for each key, or keys_from_env()")
    return kept


class EncryptedCodec:
    """Seals records with AES-256-GCM; whoever reads the store, a dump or a backup of it sees no token.

    The name that a record is stored under, the record's schema and the id of the encryption key are bound to it: a
    record that was changed, cut off or put under another name is refused, and stays where it is. The newest key, the
    first, seals; all of them open, so a key is rotated without a stop: add the new one last everywhere, then make it
    the first, then have `reencrypt` write what nobody renews, then take the old one out.

    What it can't detect: an older record of the same name that is put back (a backup restored), a record that is
    taken away, and how long a record is.

    Args:
        keys: The newest first.
        allow_plain: Read plain records too; they are sealed when they are next written. Leave it on only until
            everything was written once: until then, who can write the store can put in a record of his own.
        inner: Makes the bytes that are sealed.

    Raises:
        ConfigurationError: There is no key.
    """

    __slots__ = ("_allow_plain", "_by_id", "_id", "_inner")

    def __init__(self, keys: Iterable[EncryptionKey], *, allow_plain: bool = False, inner: Codec = _JSON) -> None:
        """Keep the keys."""
        kept = checked_keys(keys)
        if not kept:
            msg = "EncryptedCodec takes at least one key: EncryptionKey.new(), or keys_from_env()."
            raise ConfigurationError(msg)
        self._id = kept[0].id
        self._by_id = {key.id: AESGCM(key.secret) for key in kept}
        self._allow_plain = allow_plain
        self._inner = inner

    def encode(self, key: str, record: Record, /) -> bytes:
        """Return the record, sealed by the newest key.

        Raises:
            RecordError: The inner codec can't hold it.
        """
        header = SEALED + SCHEMA.to_bytes(_SCHEMA_BYTES, "big") + self._id
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._by_id[self._id].encrypt(nonce, self._inner.encode(key, record), _bound(header, key))
        return header + nonce + sealed

    def decode(self, key: str, data: bytes, /) -> Record:
        """Return the record.

        Raises:
            RecordError: It is plain, sealed by a key that we don't have, or not what was sealed under this name.
        """
        if not data.startswith(SEALED):
            return self._plain(key, data)
        header, nonce, sealed = _parts(data)
        schema = int.from_bytes(header[len(SEALED) : -_ID_BYTES], "big")
        if schema > SCHEMA:
            msg = f"The record has a schema newer than {SCHEMA}: update bitbucket-auth-async here too."
            raise RecordError(msg)
        cipher = self._by_id.get(header[-_ID_BYTES:])
        if cipher is None:
            msg = (
                f"The record is sealed by the encryption key with the id {header[-_ID_BYTES:].hex()}, which is not "
                f"among ours ({', '.join(known.hex() for known in self._by_id)}). It is left as it is; add that key."
            )
            raise RecordError(msg)
        try:
            opened = cipher.decrypt(nonce, sealed, _bound(header, key))
        except InvalidTag:
            opened = None
        if opened is None:
            msg = (
                "The record was changed, cut off, or sealed under another name; it is left as it is. Restore a good "
                "copy, or sign in again under a new key."
            )
            raise RecordError(msg)
        return self._inner.decode(key, opened)

    def _plain(self, key: str, data: bytes) -> Record:
        if self._allow_plain:
            return self._inner.decode(key, data)
        msg = (
            "The record is not encrypted; it is left as it is. If it is from before encryption was turned on, read it "
            "with allow_plain=True until it was written again."
        )
        raise RecordError(msg)


def _parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    if len(data) < _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES:
        msg = "The record was cut off; it is left as it is. Restore a good copy, or sign in again under a new key."
        raise RecordError(msg)
    start = _HEADER_BYTES + _NONCE_BYTES
    return data[:_HEADER_BYTES], data[_HEADER_BYTES:start], data[start:]


def _bound(header: bytes, key: str) -> bytes:
    """Return the associated data; the header's length is fixed, so no two pairs look alike."""
    return header + key.encode("utf-8", "surrogatepass")
