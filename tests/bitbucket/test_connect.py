"""Bitbucket's JWT grant: its form fields, its header, and a signature that matches Atlassian's example."""

import sys
from typing import Any, cast

import jwt
import pytest

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.bitbucket.connect import (
    ConnectSigner,
    JwtClient,
    JwtGrant,
    canonical_request,
    query_string_hash,
)
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.token_endpoint import token_request

ENDPOINT = BITBUCKET_CLOUD.token_endpoint
SHARED = "s3cret" * 8
NOW = 1_700_000_000.9
UUID = "{c0ffee00-0000-4000-8000-000000000001}"


def signer(**changed: object) -> ConnectSigner:
    values: dict[str, Any] = {"app_key": "my-app", "client_key": "ari:workspace", "shared_secret": SHARED}
    values.update(changed)
    return ConnectSigner(**values)


def claims(token: str) -> dict[str, Any]:
    options: Any = {"verify_exp": False, "verify_iat": False}
    read: dict[str, Any] = jwt.decode(token, SHARED, algorithms=["HS256"], options=options)
    return read


class TestGrant:
    def test_it_has_bitbuckets_own_grant_type(self) -> None:
        assert JwtGrant().grant_type == "urn:bitbucket:oauth2:jwt"
        assert dict(JwtGrant().parameters()) == {}

    def test_it_sends_scope_and_repository(self) -> None:
        grant = JwtGrant(frozenset({"repository:write", "account"}), UUID)
        assert dict(grant.parameters()) == {"scope": "account repository:write", "bitbucket_repository": UUID}

    @pytest.mark.parametrize("scope", ["account email", ["email", "account"], {"account", "email"}])
    def test_a_scope_is_accepted_in_any_form(self, scope: object) -> None:
        assert JwtGrant(cast("frozenset[str]", scope)).scope == frozenset({"account", "email"})

    @pytest.mark.parametrize("uuid", ["", " "])
    def test_an_empty_repository_is_refused_as_it_would_limit_nothing(self, uuid: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            JwtGrant(repository=uuid)
        assert str(caught.value) == "repository: expected the UUID of a repository, found an empty string."

    def test_the_token_request_carries_the_jwt(self) -> None:
        request = token_request(ENDPOINT, JwtClient("my-app", "a.b.c"), JwtGrant(), now=NOW)
        assert request.headers["Authorization"] == "JWT a.b.c"
        assert request.body == b"grant_type=urn%3Abitbucket%3Aoauth2%3Ajwt"


class TestJwtClient:
    def test_a_given_jwt_is_sent_in_the_header(self) -> None:
        assert JwtClient("my-app", "a.b.c").proof(ENDPOINT, now=NOW) == ({"Authorization": "JWT a.b.c"}, {})

    def test_a_callable_is_called_for_each_request(self) -> None:
        made = iter(["one.b.c", "two.b.c"])
        client = JwtClient("my-app", lambda: next(made))
        assert client.proof(ENDPOINT, now=NOW)[0] == {"Authorization": "JWT one.b.c"}
        assert client.proof(ENDPOINT, now=NOW)[0] == {"Authorization": "JWT two.b.c"}

    @pytest.mark.parametrize("token", ["", "s3cret s3cret", "s3cret\r\nX: y", "s3crét"])
    @pytest.mark.parametrize("jwt_from", ["text", "callable"])
    def test_r11_a_jwt_that_a_header_can_not_hold_is_refused_and_not_shown(self, token: str, jwt_from: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            JwtClient("my-app", (lambda: token) if jwt_from == "callable" else token).proof(ENDPOINT, now=NOW)
        assert str(caught.value) == "jwt: expected the three parts of a JWT, printable ASCII without spaces."

    def test_r11_a_repr_shows_no_jwt(self) -> None:
        assert repr(JwtClient("my-app", "s3cret")) == "JwtClient(client_id='my-app')"

    def test_an_empty_app_key_is_refused(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            JwtClient(" ", "a.b.c")
        assert str(caught.value) == "client_id is empty. Give the key of your app descriptor."


class TestConnectSigner:
    def test_it_signs_the_request_that_is_sent(self) -> None:
        headers, fields = signer().proof(ENDPOINT, now=NOW)
        assert fields == {}
        scheme, token = headers["Authorization"].split(" ")
        assert scheme == "JWT"
        assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
        assert claims(token) == {
            "iss": "my-app",
            "iat": 1_700_000_000,
            "exp": 1_700_000_180,
            "qsh": query_string_hash("POST", ENDPOINT),
            "sub": "ari:workspace",
        }

    def test_its_client_id_is_the_app_key(self) -> None:
        assert signer().client_id == "my-app"

    def test_it_signs_other_requests_too(self) -> None:
        read = claims(signer(lifetime=60.5).sign("get", "https://api.bitbucket.org/2.0/user?b=1&a=2", now=NOW))
        assert read["qsh"] == query_string_hash("GET", "https://api.bitbucket.org/2.0/user?a=2&b=1")
        assert read["exp"] - read["iat"] == 60

    def test_r11_a_repr_shows_no_shared_secret(self) -> None:
        assert "s3cret" not in repr(signer())
        assert "my-app" in repr(signer())

    @pytest.mark.parametrize("name", ["app_key", "client_key", "shared_secret"])
    @pytest.mark.parametrize("value", ["", " "])
    def test_an_empty_value_is_refused(self, name: str, value: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            signer(**{name: value})
        assert str(caught.value) == f"{name} is empty."

    @pytest.mark.parametrize("lifetime", [0, 0.5, -1, 86401, float("nan"), float("inf")])
    def test_a_lifetime_must_be_from_a_second_to_a_day(self, lifetime: float) -> None:
        with pytest.raises(ConfigurationError) as caught:
            signer(lifetime=lifetime)
        assert str(caught.value) == f"lifetime is {lifetime!r}: expected seconds, from 1 to 86400."
        assert signer(lifetime=1).lifetime == 1
        assert signer(lifetime=86400).lifetime == 86400

    def test_without_pyjwt_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "jwt", None)
        with pytest.raises(ConfigurationError) as caught:
            signer().proof(ENDPOINT, now=NOW)
        assert str(caught.value) == "ConnectSigner needs PyJWT: pip install 'bitbucket-auth-async[jwt]'."
        assert isinstance(caught.value.__cause__, ImportError)


class TestQueryStringHash:
    def test_it_matches_the_example_of_atlassian(self) -> None:
        # The example request of https://developer.atlassian.com/cloud/bitbucket/understanding-jwt-for-apps/
        url = (
            "https://app.example/hello-world?lic=none&tz=Australia%2FSydney&cp=%2Fjira&user_key=&loc=en-US&user_id="
            "&jwt=x.y.z&xdm_e=http%3A%2F%2Fstorm%3A2990&xdm_c=channel-servlet-hello-world&xdm_p=1"
        )
        assert query_string_hash("get", url) == "8063ff4ca1e41df7bc90c8ab6d0f6207d491cf6dad7c66ea797b4614b71922e9"

    @pytest.mark.parametrize(
        "method, url, canonical",
        [
            ("post", ENDPOINT, "POST&/site/oauth2/access_token&"),
            ("GET", "https://a.example", "GET&/&"),
            ("GET", "https://a.example/", "GET&/&"),
            ("GET", "https://a.example/some/path/", "GET&/some/path&"),
            ("GET", "https://a.example/some/PATHX/", "GET&/some/PATHX&"),
            ("GET", "https://a.example/a&b?c=d", "GET&/a%26b&c=d"),
            (
                "GET",
                "https://a.example/p?zee_last=param&repeated=parameter 2&first=param&repeated=parameter 1",
                "GET&/p&first=param&repeated=parameter%201,parameter%202&zee_last=param",
            ),
            ("GET", "https://a.example/p?b=1&a=1&B=1&A=1", "GET&/p&A=1&B=1&a=1&b=1"),
            ("GET", "https://a.example/p?x=a+b*c~d,e/f%3D", "GET&/p&x=a%20b%2Ac~d%2Ce%2Ff%3D"),
            ("GET", "https://a.example/p?a/b~=1", "GET&/p&a%2Fb~=1"),
            ("GET", "https://a.example/p?%C3%BC%20=&jwt=a.b.c", "GET&/p&%C3%BC%20="),
            ("GET", "https://a.example/p?jwt=a.b.c#x", "GET&/p&"),
        ],
    )
    def test_a_request_has_one_canonical_form(self, method: str, url: str, canonical: str) -> None:
        assert canonical_request(method, url) == canonical
