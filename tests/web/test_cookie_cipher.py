"""A browser can neither read nor change an encrypted cookie, nor use it elsewhere or later."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.errors import ConfigurationError, RecordError
from bitbucket_auth_async.web.cookie_cipher import CookieCipher

KEY, OTHER = EncryptionKey(bytes(32)), EncryptionKey(bytes(range(32)))
SECRET = {"verifier": "v" * 43, "key": "ada"}


def test_a_cookie_decrypts_until_it_expires() -> None:
    sealed = CookieCipher([KEY]).encrypt("a", SECRET, until=100.0)
    assert CookieCipher([KEY]).decrypt("a", sealed, now=99.9) == SECRET
    assert CookieCipher([KEY]).decrypt("a", sealed, now=100.0) is None


def test_a_cookie_too_long_for_browsers_is_refused() -> None:
    CookieCipher([KEY]).encrypt("a", {"key": "x" * 2_900}, until=100.0)
    with pytest.raises(ConfigurationError, match="browsers drop"):
        CookieCipher([KEY]).encrypt("a", {"key": "x" * 3_100}, until=100.0)


def test_the_bound_text_after_the_cookies_name_does_not_count_as_length() -> None:
    longest = next(n for n in range(3_000, 0, -1) if _fits("a", n))
    assert _fits(f"a {'x' * 500}", longest)
    assert not _fits("a" * 500, longest)


def _fits(name: str, length: int) -> bool:
    try:
        return len(CookieCipher([KEY]).encrypt(name, {"key": "x" * length}, until=100.0)) > length
    except ConfigurationError:
        return False


def test_a_cookie_is_unreadable_and_unique() -> None:
    first, second = (CookieCipher([KEY]).encrypt("a", SECRET, until=100.0) for _ in range(2))
    assert first != second
    assert b"vvvv" not in base64.urlsafe_b64decode(first + "==")
    assert set(first) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_it_decrypts_only_with_its_own_name_and_key() -> None:
    sealed = CookieCipher([KEY]).encrypt("a", SECRET, until=100.0)
    assert CookieCipher([KEY]).decrypt("b", sealed, now=0.0) is None
    assert CookieCipher([OTHER]).decrypt("a", sealed, now=0.0) is None


def test_old_keys_still_decrypt() -> None:
    sealed = CookieCipher([KEY]).encrypt("a", SECRET, until=100.0)
    both = CookieCipher([OTHER, KEY])
    assert both.decrypt("a", sealed, now=0.0) == SECRET
    assert CookieCipher([OTHER]).decrypt("a", both.encrypt("a", SECRET, until=100.0), now=0.0) == SECRET


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_changed_byte_makes_it_invalid(place: int, change: int) -> None:
    data = bytearray(base64.urlsafe_b64decode(CookieCipher([KEY]).encrypt("a", SECRET, until=100.0) + "=="))
    data[place % len(data)] ^= change
    assert CookieCipher([KEY]).decrypt("a", base64.urlsafe_b64encode(data).decode(), now=0.0) is None


@given(st.text())
def test_no_text_makes_decryption_raise(text: str) -> None:
    assert CookieCipher([KEY]).decrypt("a", text, now=0.0) is None


def test_an_encrypted_cookie_is_no_encrypted_record() -> None:
    sealed = base64.urlsafe_b64decode(CookieCipher([KEY]).encrypt("a", SECRET, until=100.0) + "==")
    with pytest.raises(RecordError):
        EncryptedCodec([KEY]).decode("a", sealed)


def test_a_key_is_required() -> None:
    with pytest.raises(ConfigurationError, match=r"EncryptionKey\.new"):
        CookieCipher([])
