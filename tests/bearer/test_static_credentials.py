"""Static credentials: the header, the expiry, and the invalid arguments."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.bearer.authorization import authorization_header
from bitbucket_auth_async.bearer.httpx import authenticated_client
from bitbucket_auth_async.bearer.static_credentials import AccessToken, ApiToken, StaticToken
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.scripted_server import always, answer, redirects, scripted_server

EMAIL = "ada@example.com"
Make = Callable[[], StaticToken]
BASIC = "Basic " + base64.b64encode(b"ada@example.com:ATATT3x=secret").decode()


async def test_an_access_token_is_a_bearer() -> None:
    token = await AccessToken("ATCTT3x").get_token()
    assert authorization_header(token) == "Bearer ATCTT3x"


async def test_an_api_token_is_sent_as_the_password_of_an_email_address() -> None:
    token = await ApiToken(EMAIL, "ATATT3x=secret").get_token()
    assert authorization_header(token) == BASIC
    assert token.access_token == "ATATT3x=secret"


async def test_a_non_ascii_email_address_is_sent_as_utf_8() -> None:
    token = await ApiToken("åda@example.com", "x").get_token()
    assert authorization_header(token) == "Basic " + base64.b64encode("åda@example.com:x".encode()).decode()


def test_each_has_its_user_name_for_git() -> None:
    assert AccessToken("x").git_username == "x-token-auth"
    assert ApiToken(EMAIL, "x").git_username == "x-bitbucket-api-token-auth"
    assert StaticToken(Token(access_token="x", issued_at=0.0)).git_username == "x-token-auth"


@pytest.mark.parametrize("source", [AccessToken("ATCTT3x"), ApiToken(EMAIL, "ATATT3x=secret")], ids=repr)
async def test_r12_both_work_with_a_bearer_and_go_to_allowed_origins_only(source: TokenSource) -> None:
    async with (
        scripted_server(always(answer())) as foreign,
        scripted_server(redirects(foreign.origin)) as api,
        authenticated_session(source, origins=[api.origin]) as http,
        http.get(api.origin),
    ):
        pass
    assert api.authorizations() == [authorization_header(await source.get_token())]
    assert foreign.authorizations() == [None]


@pytest.mark.parametrize("source", [AccessToken("ATCTT3x"), ApiToken(EMAIL, "ATATT3x=secret")], ids=repr)
async def test_r12_both_work_with_the_bearer_of_httpx_too(source: TokenSource) -> None:
    async with scripted_server(always(answer())) as foreign, scripted_server(redirects(foreign.origin)) as api:
        client = authenticated_client(source, origins=[api.origin], follow_redirects=True)
        async with client as http:
            await http.get(api.origin)
    assert api.authorizations() == [authorization_header(await source.get_token())]
    assert foreign.authorizations() == [None]


async def test_after_a_401_there_is_no_other_token_and_no_repetition() -> None:
    async with (
        scripted_server(always(answer(401, b"who are you?"))) as api,
        authenticated_session(ApiToken(EMAIL, "ATATT3x=secret"), origins=[api.origin]) as http,
        http.get(api.origin) as response,
    ):
        assert (response.status, await response.read()) == (401, b"who are you?")
    assert api.authorizations() == [BASIC]


async def test_a_token_is_returned_until_it_expires() -> None:
    clock = FakeClock(wall=1_800_000_000.0)
    end = clock.wall() + 60
    sources = [AccessToken("ATCTT3x", expires_at=end, clock=clock), ApiToken(EMAIL, "x", expires_at=end, clock=clock)]
    first = [await source.get_token() for source in sources]
    assert {token.expires_at for token in first} == {source.expires_at for source in sources} == {end}
    await clock.advance(59.9)
    assert [await source.get_token() for source in sources] == first
    await clock.advance(0.1)
    for source in sources:
        with pytest.raises(LoginRequiredError, match=r"^Expired: .*valid until 2027-01-15 08:01 UTC. Create another"):
            await source.get_token()


async def test_a_token_without_expiry_is_always_returned() -> None:
    clock = FakeClock()
    source = AccessToken("ATCTT3x", clock=clock)
    await clock.advance(1e9)
    assert (await source.get_token()).access_token == "ATCTT3x"


def test_r11_they_show_their_expiry_and_no_secret() -> None:
    until = 1_800_000_000.0
    assert str(AccessToken("secret", expires_at=until)) == "access token, valid until 2027-01-15 08:00 UTC"
    assert repr(ApiToken(EMAIL, "secret", expires_at=until)) == (
        "<ApiToken: API token of ada@example.com, valid until 2027-01-15 08:00 UTC>"
    )
    assert str(ApiToken(EMAIL, "secret")) == "API token of ada@example.com"
    assert "secret" not in repr(ApiToken(EMAIL, "secret").token)


@pytest.mark.parametrize("text", ["", " ", "secret\n", "sec ret", "sécret", "secret\r\nX: y"])
def test_an_invalid_token_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as access:
        AccessToken(text)
    with pytest.raises(ConfigurationError) as api:
        ApiToken(EMAIL, text)
    assert "cret" not in f"{access.value} {api.value}"


@pytest.mark.parametrize(
    "email", ["", "ada", "ada:x@example.com", "a da@example.com", "ada@example.com\n", None, b"a@b"]
)
def test_an_invalid_email_address_is_refused(email: Any) -> None:  # noqa: ANN401 - a wrong one
    with pytest.raises(ConfigurationError, match="e-mail address of the Atlassian account"):
        ApiToken(email, "ATATT3x")


@pytest.mark.parametrize("text", [None, b"secret", 5])
def test_a_token_that_is_not_a_string_is_refused(text: Any) -> None:  # noqa: ANN401 - a wrong one
    makes: list[Make] = [lambda: AccessToken(text), lambda: ApiToken(EMAIL, text)]
    for make in makes:
        with pytest.raises(ConfigurationError, match="Copy it again"):
            make()


@pytest.mark.parametrize(
    "end",
    [
        1_830_297_600_000,
        float("inf"),
        float("nan"),
        -1e20,
        10**400,
        "2028-01-01",
        True,
        datetime(2027, 3, 1, tzinfo=UTC),
    ],
)
def test_an_invalid_expiry_is_refused_at_once(end: Any) -> None:  # noqa: ANN401 - a wrong one
    makes: list[Make] = [
        lambda: AccessToken("x", expires_at=end),
        lambda: ApiToken(EMAIL, "x", expires_at=end),
        lambda: StaticToken(Token(access_token="x", issued_at=0.0, expires_at=end)),
    ]
    for make in makes:
        with pytest.raises(ConfigurationError, match=r"expires_at: .*seconds since the epoch"):
            make()
