"""How a server's text appears in our errors."""

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitbucket_auth_async.oauth2.error_responses import sanitized, sanitized_code


@pytest.mark.parametrize(
    "text",
    [
        "Invalid refresh_token",
        "No callback uri defined for the OAuth client.",
        'Cannot use client_credentials with a consumer marked as "public".',
        "The unsupported_grant_type is (authorization_code).",
        "Misunderstandings, notwithstanding",
        "code 123456789012345",
        "Die Anfrage ist ungültig.",
        "a" * 14 + "1",
    ],
)
def test_plain_words_of_a_server_are_shown(text: str) -> None:
    assert sanitized(text) == text


@pytest.mark.parametrize(
    "secret",
    [
        "kN5mWmyYNv8rqv3p",  # a code of the old backend
        "a" * 15 + "1",
        "a" * 21,
        "abcdefghijklmnoP",
        "ABCDEFGHIJKLMNOP",
        "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.abc-_",
        "client_id:client_secret1",
        "https://app.example/callback?code=abc",
        "refresh_token=abcdefgh",
    ],
)
@pytest.mark.parametrize("around", ["{}", 'token "{}" is bad', "no such code: {}.", "\x00{}\n"])
def test_r11_a_possible_secret_is_redacted(secret: str, around: str) -> None:
    shown = sanitized(around.format(secret))
    assert shown is not None
    assert secret not in shown
    assert "[redacted]" in shown


@given(st.text(string.ascii_letters + string.digits + "-._~+/=", min_size=24, max_size=3000))
@example("a" * 3000)
@example("abcdefgh-" * 40 + "1")
def test_r11_a_token_is_redacted(secret: str) -> None:
    shown = sanitized(f"bad token {secret} given") or ""
    if re.fullmatch(r"[A-Z]?[a-z]{1,20}([_'/-][a-z]{1,20})*[.]*", secret):
        return  # indistinguishable from words
    assert shown == "bad token [redacted] given"


def test_a_text_becomes_one_line_without_control_characters() -> None:
    assert sanitized("a\r\nb\x1b[31m\u202ec\ud800d\t e ") == "a b [31m c d e"


def test_a_long_text_is_cut_at_200_characters() -> None:
    assert sanitized("ab " * 100) == ("ab " * 100)[:199] + "…"
    assert sanitized(("ab " * 67)[:200]) == ("ab " * 67)[:200]
    assert len(sanitized("ab " * 67) or "") == 200


@pytest.mark.parametrize("value", [None, 5, ["text"], {"a": 1}])
def test_a_description_that_is_not_a_string_is_dropped(value: object) -> None:
    assert sanitized(value) is None


def test_a_code_is_cut_at_64_characters() -> None:
    assert sanitized_code("unsupported_grant_type") == "unsupported_grant_type"
    assert sanitized_code("ab " * 30) == ("ab " * 30)[:64]
    assert sanitized_code("\x00") == ""
