"""AuthorizationServer: https or loopback, normalized origins, no ambiguous URL."""

from typing import Any

import pytest

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, is_loopback, origin_of


def server(**changed: object) -> AuthorizationServer:
    values: dict[str, Any] = {
        "authorization_endpoint": "https://a.example/authorize",
        "token_endpoint": "https://a.example/token",
        "api_origins": frozenset({"https://api.a.example"}),
    }
    values.update(changed)
    return AuthorizationServer(**values)


def test_a_server_has_no_reuse_grace_by_default() -> None:
    assert server().reuse_grace == 0.0
    assert server(reuse_grace=600.0).reuse_grace == 600.0


def test_origins_are_normalized() -> None:
    origins = {"https://API.a.example:443/2.0/", "https://api.a.example.", "https://b.example:8443"}
    assert server(api_origins=origins).api_origins == {"https://api.a.example", "https://b.example:8443"}


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
@pytest.mark.parametrize(
    "url", ["http://a.example/x", "ftp://a.example/x", "/x", "", "https:///x", "https://u:p@a.example/x"]
)
def test_an_endpoint_must_be_https(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        server(**{name: url})


def test_an_origin_must_be_https() -> None:
    with pytest.raises(ConfigurationError) as caught:
        server(api_origins={"http://api.a.example"})
    assert str(caught.value) == "api_origins: http://api.a.example would send secrets unencrypted; use https."


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]:99/x"])
def test_plain_http_is_for_loopback_only(url: str) -> None:
    assert server(token_endpoint=url).token_endpoint == url


@pytest.mark.parametrize("grace", [-1.0, float("nan")])
def test_a_negative_reuse_grace_is_refused(grace: float) -> None:
    with pytest.raises(ConfigurationError) as caught:
        server(reuse_grace=grace)
    assert str(caught.value) == f"reuse_grace is {grace!r}: expected seconds, 0 or more."


@pytest.mark.parametrize(
    "url, origin",
    [
        ("https://api.bitbucket.org", "https://api.bitbucket.org"),
        ("HTTPS://Api.Bitbucket.ORG./2.0/user?x=1#y", "https://api.bitbucket.org"),
        ("https://a.example:443/", "https://a.example"),
        ("https://a.example:80/", "https://a.example:80"),
        ("http://localhost:80/", "http://localhost"),
        ("http://localhost:443/", "http://localhost:443"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_normalized(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "https://a.exam\nple/",
        " https://a.example/",
        "https://a.example/ x",
        "https://a.example\\@evil.example/",
        "https://evil.example\\.a.example/",
        "https://[::1/",
        "https://a.example:99999/",
        "https://a.example:s3cret/",
        "https://a.example:0/",
    ],
)
def test_r12_an_ambiguous_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        origin_of(url)
    assert str(caught.value) == "url: this is not a URL."
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_r11_user_information_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        origin_of("https://ann:s3cret@a.example", name="base_url")
    assert str(caught.value) == "base_url: expected an absolute https URL without user information."


@pytest.mark.parametrize(
    "host, loopback",
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_always_this_machine(host: str, loopback: bool) -> None:  # noqa: FBT001  - a table's column
    assert is_loopback(host) is loopback
