"""Request URLs: values are quoted, and nothing outside the API is requested."""

from pathlib import PurePosixPath
from typing import Any

import pytest

from bitbucket_auth_async.api.urls import base_url_of, build_url, is_under
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer

BASE = "https://api.bitbucket.org/2.0"


@pytest.mark.parametrize(
    "path, names, expected",
    [
        ("/user", {}, "/user"),
        ("/repositories/{workspace}", {"workspace": "acme"}, "/repositories/acme"),
        ("/x/{one}/{two}", {"one": "{4e1-b}", "two": "ä b"}, "/x/%7B4e1-b%7D/%C3%A4%20b"),
        ("/x/{name}", {"name": "a/b?c#d%e&f=g"}, "/x/a%2Fb%3Fc%23d%25e%26f%3Dg"),
        ("/x/{name}", {"name": "../y"}, "/x/..%2Fy"),
        ("/pullrequests/{id}", {"id": 7}, "/pullrequests/7"),
        ("/src/{commit}/{path}", {"commit": "main", "path": PurePosixPath("a b/c?.py")}, "/src/main/a%20b/c%3F.py"),
        ("/user?fields=uuid", {}, "/user?fields=uuid"),
        ("/file/..name", {}, "/file/..name"),
        (f"{BASE}/user", {}, "/user"),
        (f"{BASE}/repositories/acme?page=2&q=../..", {}, "/repositories/acme?page=2&q=../.."),
    ],
)  # fmt: skip
def test_names_are_quoted_into_the_path(path: str, names: dict[str, Any], expected: str) -> None:
    assert build_url(BASE, path, names) == BASE + expected


def test_a_path_that_repeats_the_base_path_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^path: /2\.0 is already in the base URL"):
        build_url(BASE, "/2.0/user", {})
    assert build_url(BASE, "/2.0.1/user", {}) == f"{BASE}/2.0.1/user"
    assert build_url("https://api.example.com", "/2.0/user", {}) == "https://api.example.com/2.0/user"


@pytest.mark.parametrize(
    "value", ["", ".", "..", "\ud800", PurePosixPath("a/../b"), PurePosixPath("/etc"), PurePosixPath()]
)
def test_a_value_that_would_name_another_endpoint_is_refused(value: Any) -> None:  # noqa: ANN401 - wrong values
    with pytest.raises(ConfigurationError, match=r"^name: "):
        build_url(BASE, "/x/{name}/y", {"name": value})


@pytest.mark.parametrize("value", [None, True, b"acme", 1.5, ["a"]])
def test_a_value_of_the_wrong_type_is_refused(value: Any) -> None:  # noqa: ANN401 - wrong values
    with pytest.raises(ConfigurationError, match=rf"^name: expected .* found {type(value).__name__}"):
        build_url(BASE, "/x/{name}", {"name": value})


@pytest.mark.parametrize(
    "path, names, said",
    [
        ("/x/{one}/{two}", {"one": "1"}, "no value given for two"),
        ("/x", {"one": "1"}, "no placeholder for one"),
        ("/x/{one}", {"won": "1"}, "no value given for one and no placeholder for won"),
    ],
)
def test_values_and_placeholders_must_match(path: str, names: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        build_url(BASE, path, names)


@pytest.mark.parametrize(
    "path",
    ["user", "", "//evil.example/x/../y", "/a/../b", "/a/%2e%2E/b", "/a/./b", "/a#b", "/a\\b", "/a\r\nHost: b", "https://evil.example/2.0/user"],
)  # fmt: skip
def test_r12_a_path_that_leads_to_another_endpoint_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^path: "):
        build_url(BASE, path, {})


@pytest.mark.parametrize(
    "url",
    [
        "https://api.bitbucket.org/2.0",
        "https://api.bitbucket.org/2.0/x",
        "https://API.BITBUCKET.ORG:443/2.0/x?page=2",
        "https://api.bitbucket.org/2.0?page=2",
    ],
)
def test_a_url_below_the_base_url_is_under_it(url: str) -> None:
    assert is_under(BASE, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.bitbucket.org/2.00/x",
        "https://api.bitbucket.org/1.0/x",
        "https://api.bitbucket.org/2.0/../1.0/x",
        "https://api.bitbucket.org/2.0/%2e%2e/1.0/x",
        "https://api.bitbucket.org:8443/2.0/x",
        "http://api.bitbucket.org/2.0/x",
        "https://api.bitbucket.org.evil.example/2.0/x",
        "https://api.bitbucket.org@evil.example/2.0/x",
        "https://evil.example\\@api.bitbucket.org/2.0/x",
        "//api.bitbucket.org/2.0/x",
        "/2.0/x",
        "https://[::1/2.0/x",
        "javascript:alert(1)",
        "",
    ],
)
def test_r12_any_other_url_is_not_under_the_base_url(url: str) -> None:
    assert not is_under(BASE, url)


def test_the_base_url_is_the_given_one_or_the_servers() -> None:
    assert base_url_of(None, BITBUCKET_CLOUD) == BASE
    assert base_url_of("https://proxy.example/bitbucket/2.0/", BITBUCKET_CLOUD) == "https://proxy.example/bitbucket/2.0"
    assert base_url_of("http://127.0.0.1:80", BITBUCKET_CLOUD) == "http://127.0.0.1"


@pytest.mark.parametrize("base_url", ["http://api.bitbucket.org/2.0", "https://a.example/?b", "https://u:p@a.example"])
def test_r12_an_unsafe_base_url_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        base_url_of(base_url, BITBUCKET_CLOUD)


def test_a_server_with_several_api_origins_needs_a_base_url() -> None:
    server = AuthorizationServer(
        authorization_endpoint="https://a.example/a",
        token_endpoint="https://a.example/t",
        api_origins=frozenset({"https://b.example", "https://c.example"}),
    )
    with pytest.raises(ConfigurationError, match="2 API origins"):
        base_url_of(None, server)
