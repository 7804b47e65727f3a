"""Checks of record keys, shared by all stores."""

from collections.abc import Iterable

from bitbucket_auth_async.errors import ConfigurationError


def check_key(key: str) -> None:
    """Refuse a key that JSON or UTF-8 can't hold.

    Raises:
        ConfigurationError: It is not text, or contains half of a surrogate pair (RFC 8259 section 8.2).
    """
    if not isinstance(key, str):
        msg = f"key: expected text, found a {type(key).__name__}."
        raise ConfigurationError(msg)
    if any("\ud800" <= character <= "\udfff" for character in key):
        msg = f"key {key!r} contains half of a surrogate pair, which no store can hold. Decode it as UTF-8 first."
        raise ConfigurationError(msg)


def checked_key_list(keys: Iterable[str]) -> Iterable[str]:
    """Return the keys, unless they are one text: its letters would silently be taken for keys.

    Raises:
        ConfigurationError: It is one text.
    """
    if isinstance(keys, str):
        msg = f"keys takes a list of keys, such as [{keys!r}], not one text."
        raise ConfigurationError(msg)
    return keys
