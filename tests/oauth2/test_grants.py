"""Grants: each has its form fields, accepts a scope in any form and shows no secret."""

from typing import cast

import pytest

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.grants import (
    AuthorizationCode,
    ClientCredentials,
    Grant,
    Password,
    RefreshToken,
    scope_parameter,
    scope_set,
)

SCOPE = frozenset({"repository", "account"})


@pytest.mark.parametrize(
    "grant, grant_type, parameters",
    [
        (AuthorizationCode("c"), "authorization_code", {"code": "c"}),
        (
            AuthorizationCode("c", "https://app.example/cb", "v" * 43, SCOPE),
            "authorization_code",
            {"code": "c", "redirect_uri": "https://app.example/cb", "code_verifier": "v" * 43},
        ),
        (ClientCredentials(), "client_credentials", {}),
        (ClientCredentials(SCOPE), "client_credentials", {"scope": "account repository"}),
        (Password("ann", "pw"), "password", {"username": "ann", "password": "pw"}),
        (
            Password("ann", "pw", SCOPE),
            "password",
            {"username": "ann", "password": "pw", "scope": "account repository"},
        ),
        (RefreshToken("rt"), "refresh_token", {"refresh_token": "rt"}),
        (RefreshToken("rt", SCOPE), "refresh_token", {"refresh_token": "rt", "scope": "account repository"}),
    ],
)
def test_a_grant_has_its_form_fields(grant: Grant, grant_type: str, parameters: dict[str, str]) -> None:
    assert grant.grant_type == grant_type
    assert dict(grant.parameters()) == parameters


@pytest.mark.parametrize(
    "grant",
    [
        AuthorizationCode("s3cret", "https://app.example/cb", "s3cret" * 8),
        Password("ann", "s3cret"),
        RefreshToken("s3cret"),
    ],
)
def test_r11_a_repr_shows_no_secret(grant: Grant) -> None:
    assert "s3cret" not in repr(grant)


@pytest.mark.parametrize("given", [["account", "repository"], {"repository account"}, "account  repository"])
def test_every_grant_accepts_a_scope_in_any_form(given: object) -> None:
    scope = cast("frozenset[str]", given)
    grants: list[Grant] = [ClientCredentials(scope), Password("a", "b", scope), RefreshToken("r", scope)]
    grants.append(AuthorizationCode("c", scope=scope))
    for grant in grants:
        assert grant.scope == SCOPE
        assert isinstance(grant.scope, frozenset)
        assert hash(grant)


def test_an_empty_scope_is_not_sent() -> None:
    assert scope_parameter(frozenset()) == {}
    assert scope_set("") == scope_set(()) == frozenset()


@pytest.mark.parametrize("name", ["account,repository", 'a"b', "a\\b", "é", "a\x00b"])
def test_an_invalid_scope_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        scope_set({name})
    expected = f"scope {name!r}: separate scopes by spaces, or give a set; no comma, quote or backslash."
    assert str(caught.value) == expected
