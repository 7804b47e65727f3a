import pytest

from bitbucket_auth_async.bearer.authorization import allowed_origins, authorization_header
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token

ONE = Token(access_token="one", issued_at=0.0)


class Source:
    server = AuthorizationServer(
        authorization_endpoint="https://sso.test/a",
        token_endpoint="https://sso.test/t",
        api_origins=frozenset({"https://API.Example.test:8443/rest"}),
    )


def test_r12_by_default_the_token_goes_to_the_origins_of_the_sources_server() -> None:
    assert allowed_origins(Source(), None) == {
        ("https", "api.example.test", 8443),
        ("wss", "api.example.test", 8443),
    }


def test_r12_without_a_server_the_token_goes_to_bitbucket_cloud_only() -> None:
    assert BITBUCKET_CLOUD.api_origins == {"https://api.bitbucket.org"}
    assert allowed_origins(object(), None) == {("https", "api.bitbucket.org", 443), ("wss", "api.bitbucket.org", 443)}


def test_r12_given_origins_replace_the_default() -> None:
    assert allowed_origins(Source(), ["http://[::1]:80"]) == {("http", "::1", 80), ("ws", "::1", 80)}
    assert allowed_origins(Source(), []) == frozenset()


def test_one_origin_may_be_given_as_a_string() -> None:
    assert allowed_origins(Source(), "http://localhost") == {("http", "localhost", 80), ("ws", "localhost", 80)}


@pytest.mark.parametrize("origin", ["http://api.bitbucket.org", "https://me@api.bitbucket.org", "api.bitbucket.org"])
def test_r12_an_unsafe_origin_is_refused(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="origins"):
        allowed_origins(Source(), [origin])


def test_the_header_of_an_oauth_token_is_a_bearer() -> None:
    assert authorization_header(ONE) == "Bearer one"
