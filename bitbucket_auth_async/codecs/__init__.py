"""Codecs turn records into bytes and back: plain JSON, or encrypted.

A name is imported at its first use, because EncryptedCodec needs cryptography.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
    from bitbucket_auth_async.codecs.json import JsonCodec
    from bitbucket_auth_async.codecs.keys import keys_from_env, keys_from_file, keys_from_keyring

__all__ = ["EncryptedCodec", "EncryptionKey", "JsonCodec", "keys_from_env", "keys_from_file", "keys_from_keyring"]

_HOMES = {"EncryptedCodec": "encrypted", "EncryptionKey": "encrypted", "JsonCodec": "json"}


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'keys')}"), name)
    globals()[name] = value
    return value
