"""The authorization endpoint of the fake."""

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket, SilentPageError
from bitbucket_auth_async.testing.fake_clock import FakeClock

Ask = Any  # Asking of conftest.py, from where no name can be imported

CALLBACK = "http://127.0.0.1:8372/callback"


def params(fake: FakeBitbucket, **more: str) -> dict[str, str]:
    return {"client_id": fake.client.client_id, "response_type": "code", **more}


async def test_consent_sends_code_and_state_to_the_registered_callback(fake: FakeBitbucket) -> None:
    url = fake.authorize(params(fake, state="a state & more"))
    assert url.startswith(f"{CALLBACK}?")
    back = parse_qs(urlsplit(url).query)
    assert back["state"] == ["a state & more"]
    assert len(back["code"]) == 1


async def test_authorize_accepts_a_url(fake: FakeBitbucket) -> None:
    url = f"https://bitbucket.org/site/oauth2/authorize?client_id={fake.client.client_id}&response_type=code&state=s"
    assert "&state=s" in fake.authorize(url)


async def test_a_declined_request_redirects_with_access_denied(fake: FakeBitbucket) -> None:
    back = dict(parse_qsl(urlsplit(fake.authorize(params(fake, state="s"), consent=False)).query))
    assert (back["error"], back["state"]) == ("access_denied", "s")
    assert "code" not in back


@pytest.mark.parametrize(
    "registered, sent",
    [
        (CALLBACK, CALLBACK),
        (CALLBACK, f"{CALLBACK}/more?with=query"),
        ("https://app.example/", "https://app.example/anything"),
        ("https://app.example", "https://app.example/anything"),
        ("https://app.example/cb?a=1", "https://app.example/cb?a=1&b=2"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:45678/callback"),
    ],
)
async def test_a_redirect_uri_may_extend_the_callback(fake: FakeBitbucket, registered: str, sent: str) -> None:
    fake.registration().callback = registered
    assert fake.authorize(params(fake, redirect_uri=sent)).startswith(sent)


@pytest.mark.parametrize(
    "registered, sent",
    [
        (CALLBACK, "http://127.0.0.1:8373/callback"),
        (CALLBACK, "http://127.0.0.1:8372/callbacks"),
        (CALLBACK, "https://127.0.0.1:8372/callback"),
        (CALLBACK, "http://127.0.0.1:8372@evil.example/callback"),
        (CALLBACK, "http://127.0.0.1:port/callback"),
        (CALLBACK, f"{CALLBACK}#fragment"),
        ("https://app.example/cb", "https://app.example.evil.example/cb"),
        ("https://app.example/cb", "https://app.example:444/cb"),
        (None, CALLBACK),
    ],
)
async def test_a_wrong_redirect_uri_shows_a_page_without_a_redirect(
    fake: FakeBitbucket, registered: str | None, sent: str
) -> None:
    fake.registration().callback = registered
    with pytest.raises(SilentPageError, match="Invalid redirect_uri") as caught:
        fake.authorize(params(fake, redirect_uri=sent))
    assert caught.value.page.status == 400
    assert b"Contact the vendor" in caught.value.page.body


async def test_an_unknown_client_shows_a_page(fake: FakeBitbucket) -> None:
    with pytest.raises(SilentPageError, match="Invalid client_id"):
        fake.authorize({"client_id": "unknown", "response_type": "code"})


@pytest.mark.parametrize(
    "more, error",
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "account webhook"}, "invalid_scope"),
        ({"scope": "account,email"}, "invalid_scope"),  # a comma is no separator
        ({"code_challenge": "c"}, "invalid_request"),  # RFC 7636: the default method is plain
        ({"code_challenge": "c", "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
async def test_a_request_that_can_not_be_granted_redirects_with_an_error(
    fake: FakeBitbucket, more: dict[str, str], error: str
) -> None:
    parts = urlsplit(fake.authorize({**params(fake, state="s"), **more}))
    back = dict(parse_qsl(parts.query or parts.fragment))
    assert (back["error"], back["state"]) == (error, "s")


async def test_a_requested_scope_narrows_the_grant(fake: FakeBitbucket, ask: Ask) -> None:
    fake.authorize(params(fake, scope="email account"))
    [code] = fake._issued.codes.values()
    assert code.scope == {"account", "email"}


async def test_a_legacy_fake_returns_the_implicit_token_in_the_fragment(clock: FakeClock) -> None:
    fake = FakeBitbucket(clock, legacy=True)
    parts = urlsplit(fake.authorize(params(fake, response_type="token", state="s")))
    back = dict(parse_qsl(parts.fragment))
    assert parts.query == ""
    assert (back["state"], back["token_type"], back["expires_in"]) == ("s", "bearer", "7200")
    assert fake.is_live(back["access_token"])


async def test_the_code_belongs_to_the_person_who_agreed(fake: FakeBitbucket) -> None:
    grace = fake.register_person("grace")
    fake.authorize(params(fake), grace)
    [code] = fake._issued.codes.values()
    assert code.person is grace
