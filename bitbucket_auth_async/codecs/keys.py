"""Load the keys for encryption at rest from an environment variable, a file or the keyring."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bitbucket_auth_async.errors import ConfigurationError, StoreError
from bitbucket_auth_async.runtime.settings import setting

if TYPE_CHECKING:
    from bitbucket_auth_async.codecs.encrypted import EncryptionKey

VARIABLE = "BITBUCKET_AUTH_ENCRYPTION_KEYS"
"""The environment variable with the keys; with `_FILE` appended, the variable that names a file with them."""


def keys_from_env(environ: Mapping[str, str] = os.environ, *, name: str = VARIABLE) -> "list[EncryptionKey]":
    """Return the keys in a variable, or in the file that its `…_FILE` names: newest first, separated by blanks.

    Raises:
        ConfigurationError: It is not set, or holds something else; the message names the variable and shows no key.
    """
    text = setting(environ, name)
    if text is None:
        msg = f"{name} is not set. Set it to EncryptionKey.new().text(), or set {name}_FILE to a file with that."
        raise ConfigurationError(msg)
    return _keys(text, name)


def keys_from_file(path: str | os.PathLike[str]) -> "list[EncryptionKey]":
    """Return the keys in a file: newest first, one per line.

    Raises:
        ConfigurationError: It can't be read, or holds something else; the message names the file and shows no key.
    """
    where = os.fspath(path)
    try:
        text = Path(where).expanduser().read_text(encoding="utf-8-sig")
    except RuntimeError:
        msg = f"{where}: the encryption keys can't be read: the home directory is unknown. Write the path without '~'."
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        msg = f"{where}: the encryption keys can't be read ({reason})."
    else:
        return _keys(text, where)
    raise ConfigurationError(msg)


async def keys_from_keyring(service: str, username: str = "encryption keys") -> "list[EncryptionKey]":
    """Return the keys in one password of the keyring: newest first, separated by blanks.

    Raises:
        ConfigurationError: There is no keyring here, or no such entry, or it holds something else.
        StoreError: The keyring is locked or does not answer.
    """
    import keyring  # noqa: PLC0415  - the other functions work without these libraries
    from anyio import to_thread  # noqa: PLC0415  - as above
    from keyring.errors import KeyringError, NoKeyringError  # noqa: PLC0415  - as above

    try:
        text = await to_thread.run_sync(keyring.get_password, service, username, abandon_on_cancel=True)
    except NoKeyringError:
        msg = "There is no keyring here. Keep the encryption keys in a file or in the environment instead."
        raise ConfigurationError(msg) from None
    except KeyringError as error:
        msg = f"The keyring failed with {type(error).__name__}. Check that it is unlocked."
        raise StoreError(msg) from None
    if text is None:
        msg = f"The keyring has no entry {username!r} of {service!r}. Store EncryptionKey.new().text() there."
        raise ConfigurationError(msg)
    return _keys(text, f"{username!r} of {service!r} in the keyring")


def _keys(text: str, where: str) -> "list[EncryptionKey]":
    from bitbucket_auth_async.codecs.encrypted import EncryptionKey  # noqa: PLC0415  - it imports cryptography

    words = text.replace(",", " ").split()
    if not words:
        msg = f"{where} holds no encryption key. Put EncryptionKey.new().text() there."
        raise ConfigurationError(msg)
    keys: list[EncryptionKey] = []
    for number, word in enumerate(words, 1):
        try:
            keys.append(EncryptionKey.from_text(word))
        except ConfigurationError as error:
            msg = f"{where}, key {number}: {error}"
            raise ConfigurationError(msg) from None
    return keys
