"""A browser may return only to a path of this site, as every URL parser reads it."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from bitbucket_auth_async.web.safe_return_path import safe_return_path

SITE = "https://my-app.example"


@pytest.mark.parametrize("path", ["/", "/me", "/me?tab=2&next=//x", "/a/b.c/d~e", "/caf%C3%A9", "/%7Buuid%7D/x"])
def test_a_path_of_this_site_is_returned_unchanged(path: str) -> None:
    assert safe_return_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "me",
        "//evil.example",
        "///evil.example",
        r"/\evil.example",
        r"\/evil.example",
        "/%2fevil.example",
        "/%5cevil.example",
        "/%252fevil.example",
        "/%255Cevil.example",
        "/./%2fevil.example",
        "/.//evil.example",
        "/a/..//evil.example",
        "/%2e%2e/evil.example",
        "/\tevil",
        "/\nevil",
        "/\r\nSet-Cookie: a=b",
        "/%0d%0aSet-Cookie:a",
        "/me?a=\r\nSet-Cookie:a",
        "/\x00",
        "/ /evil.example",
        "/\u2028x",
        "/é",
        "https://evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "/#//evil",
        "/" + "a" * 1024,
    ],
)
def test_every_other_text_is_refused(text: str) -> None:
    assert safe_return_path(text) is None


@given(st.text(alphabet="/\\.%25cCfF0aA:@?#x\t\n ", max_size=20).map("/".__add__))
@example("//evil")
def test_every_url_parser_stays_on_this_site(text: str) -> None:
    taken = safe_return_path(text)
    if taken is not None:
        assert urlsplit(urljoin(SITE, taken))[:2] == ("https", "my-app.example")
        assert URL(SITE).join(URL(taken)).host == "my-app.example"
