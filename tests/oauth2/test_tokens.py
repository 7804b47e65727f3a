"""Token: read from a response (RFC 6749 section 5.1), and kept as plain data."""

import copy
import hashlib
import json
import math
import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint

YEAR = 366 * 24 * 3600


def token_of(**answer: object) -> Token:
    return Token.from_response({"access_token": "at", **answer}, requested_at=1000.0)


def test_a_response_of_2026_is_read() -> None:
    answer = {
        "access_token": "at",
        "refresh_token": "rt",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "account repository",
        "state": "authorization_code",
        "new_in_2027": {"deep": [1]},
    }
    token = Token.from_response(answer, requested_at=1000.0)
    assert token == Token(
        access_token="at",
        refresh_token="rt",
        issued_at=1000.0,
        expires_at=4600.0,
        scope=frozenset({"account", "repository"}),
    )
    assert token.lifetime == 3600.0


def test_a_token_of_6_kb_is_complete() -> None:
    assert token_of(refresh_token="r" * 6000, access_token="a" * 6000).access_token == "a" * 6000


@pytest.mark.parametrize(
    "expires_in, lifetime",
    [
        (3600, 3600.0),
        (0.5, 0.5),
        ("7200", 7200.0),
        (" 60 ", 60.0),
        (YEAR, float(YEAR)),
        (None, None),
        (0, None),
        (-5, None),
        (YEAR + 1, None),
        (10**400, None),
        ("9" * 500, None),
        (math.nan, None),
        (math.inf, None),
        ("nan", None),
        ("soon", None),
        ("", None),
        (True, None),
        ([3600], None),
        ({}, None),
    ],
)
def test_a_lifetime_is_a_number_in_any_form_or_none(expires_in: object, lifetime: float | None) -> None:
    token = token_of(expires_in=expires_in)
    assert token.lifetime == lifetime
    assert token.expires_at == (None if lifetime is None else 1000.0 + lifetime)


def test_without_a_lifetime_the_server_did_not_say() -> None:
    assert token_of().expires_at is None
    assert token_of().lifetime is None


@pytest.mark.parametrize(
    "answer, scope",
    [
        ({"scope": "b a"}, {"a", "b"}),
        ({"scopes": "a"}, {"a"}),
        ({"scope": "new", "scopes": "old"}, {"new"}),
        ({"scope": ["a", "b c"]}, {"a", "b", "c"}),
        ({"scope": []}, set[str]()),
        ({"scope": ""}, set[str]()),
        ({"scope": 5, "scopes": "a"}, {"a"}),
        ({"scope": ["a", 5]}, None),
        ({"scope": None}, None),
        ({}, None),
    ],
)
def test_scope_is_read_under_both_names_and_in_both_forms(answer: dict[str, Any], scope: set[str] | None) -> None:
    assert token_of(**answer).scope == scope


@pytest.mark.parametrize("token_type", ["bearer", "Bearer", "BEARER"])
def test_the_case_of_token_type_does_not_matter(token_type: str) -> None:
    assert token_of(token_type=token_type).access_token == "at"


@pytest.mark.parametrize("token_type", ["mac", "", None, 5, ["bearer"]])
def test_another_token_type_is_refused(token_type: object) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^token_type: expected 'bearer', the only type that this package supports"
    ):
        token_of(token_type=token_type)


@pytest.mark.parametrize(
    "value, kind",
    [
        (None, "nothing"),
        ("", "nothing"),
        (12345, "a int"),
        (["at"], "a list"),
        ("secret secret", "a str"),
        ("secret\r\nX-Evil: 1", "a str"),
        ("sécret", "a str"),
        ("secret\x7f", "a str"),
    ],
)
def test_an_invalid_access_token_is_described_and_not_shown(value: object, kind: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        token_of(access_token=value)
    assert str(caught.value) == f"access_token: expected printable ASCII text without spaces, found {kind}."


def test_a_response_without_access_token_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"access_token: .* found nothing"):
        Token.from_response({}, requested_at=1000.0)


@pytest.mark.parametrize("absent", [None, "", False, 0])
def test_a_missing_refresh_token_is_none(absent: object) -> None:
    assert token_of(refresh_token=absent).refresh_token is None


@pytest.mark.parametrize("wrong", ["a b", 5, ["rt"], "r\nt"])
def test_an_invalid_refresh_token_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="refresh_token: expected"):
        token_of(refresh_token=wrong)


def test_r11_a_repr_shows_no_secret() -> None:
    token = Token(access_token="s3cret-a", refresh_token="s3cret-r", issued_at=1.0)
    assert "s3cret" not in repr(token)
    assert "issued_at=1.0" in repr(token)


def test_a_token_can_be_pickled_and_copied() -> None:
    token = token_of(refresh_token="rt", expires_in=60, scope="a")
    assert pickle.loads(pickle.dumps(token)) == token  # noqa: S301  - our own bytes
    assert copy.deepcopy(token) == token
    assert replace(token, issued_at=2.0) != token


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
SECONDS = st.floats(min_value=0, max_value=1e11)
TOKENS = st.builds(
    Token,
    access_token=VISIBLE,
    refresh_token=st.none() | VISIBLE,
    issued_at=SECONDS,
    expires_at=st.none() | SECONDS,
    scope=st.none() | st.frozensets(VISIBLE, max_size=3),
)


@given(TOKENS)
def test_plain_data_is_json_and_gives_the_same_token_back(token: Token) -> None:
    assert Token.from_plain(json.loads(json.dumps(token.to_plain()))) == token


def test_plain_data_lists_the_scope_in_order() -> None:
    assert token_of(scope="c a b").to_plain()["scope"] == ["a", "b", "c"]


def test_plain_data_has_these_fields() -> None:
    assert token_of().to_plain() == {
        "access_token": "at",
        "refresh_token": None,
        "issued_at": 1000.0,
        "expires_at": None,
        "scope": None,
    }


@pytest.mark.parametrize(
    "damage",
    [
        {"access_token": None},
        {"access_token": 5},
        {"refresh_token": 5},
        {"issued_at": "1000"},
        {"issued_at": None},
        {"issued_at": math.nan},
        {"expires_at": "soon"},
        {"expires_at": math.inf},
        {"scope": "account"},
        {"scope": {"account": 1}},
        {"scope": [5]},
    ],
)
def test_damaged_plain_data_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Token.from_plain(token_of().to_plain() | damage)


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "issued_at", "expires_at", "scope"])
def test_plain_data_that_lacks_a_field_is_refused(name: str) -> None:
    data = token_of().to_plain()
    del data[name]
    with pytest.raises(KeyError):
        Token.from_plain(data)


def test_a_fingerprint_is_the_first_half_of_the_sha_256() -> None:
    assert fingerprint("abc") == hashlib.sha256(b"abc").hexdigest()[:32]
    assert len(fingerprint("")) == 32


def test_a_fingerprint_accepts_any_text() -> None:
    assert fingerprint("\ud800") != fingerprint("\ud801")
    assert fingerprint("é") == hashlib.sha256("é".encode()).hexdigest()[:32]
