"""Access tokens and API tokens of the fake: where they are accepted, and until when."""

import base64
import json
from typing import Any

import pytest

from bitbucket_auth_async import AccessToken, ApiToken
from bitbucket_auth_async.api import ApiError, BitbucketAPI, MissingScopeError
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket
from bitbucket_auth_async.testing.server import serve

ADA = "ada@example.com"
OAUTH, API = "x-token-auth", "x-bitbucket-api-token-auth"


def get(fake: FakeBitbucket, path: str, header: str) -> tuple[int, Any]:
    response = fake.api("GET", path, headers={"Authorization": header})
    return response.status, json.loads(response.body)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


async def test_an_access_token_reads_only_what_its_scope_allows() -> None:
    async with mock_bitbucket() as fake, BitbucketAPI(AccessToken(fake.issue_access_token())) as api:
        assert len([row async for row in api.paginate("/repositories/acme")]) == 25
        with pytest.raises(MissingScopeError):
            await api.get("/user")


async def test_each_access_token_is_a_separate_user(fake: FakeBitbucket) -> None:
    status, user = get(fake, "/2.0/user", f"Bearer {fake.issue_access_token(scope={'account'})}")
    assert (status, user["type"]) == (200, "app_user")
    assert get(fake, "/2.0/user", f"Bearer {fake.issue_access_token(scope={'account'})}")[1]["uuid"] != user["uuid"]


async def test_an_api_token_acts_as_its_person() -> None:
    fake = FakeBitbucket()
    grace = fake.register_person("grace")
    async with serve(fake) as site:
        for person, email in ((None, ADA), (grace, "grace@example.com")):
            source = ApiToken(email, fake.issue_api_token(person))
            async with BitbucketAPI(source, base_url=f"{site.base_url}/2.0") as api:
                assert (await api.get("/user"))["username"] == email.partition("@")[0]


async def test_each_kind_of_token_is_accepted_in_its_own_form_only(fake: FakeBitbucket) -> None:
    grace = fake.register_person("grace")
    bearers = [fake.issue_access_token(scope={"account"}), fake.sign_in().access_token]
    api_token = fake.issue_api_token()
    for header in (
        *(basic(user, bearer) for bearer in bearers for user in ("", ADA, OAUTH)),
        *(basic(user, api_token) for user in ("", "ada", API, "lovelace@example.org", grace.emails[0])),
        f"Bearer {api_token}",
        basic(ADA, api_token).replace("Basic", "Bearer"),
        "Basic",
        "Basic !",
        "Basic /w==",
        "Basic \udcff",
    ):
        assert get(fake, "/2.0/user", header)[0] == 401, header
    for header in (*(f"Bearer {bearer}" for bearer in bearers), basic(ADA, api_token)):
        assert get(fake, "/2.0/user", header)[0] == 200


async def test_git_accepts_each_token_with_its_own_user_name(fake: FakeBitbucket) -> None:
    for bearer in (fake.issue_access_token(), fake.sign_in().access_token):
        assert [fake.git_accepts(user, bearer) for user in (OAUTH, API, "ada", ADA, "")] == [True, *[False] * 4]
    token = fake.issue_api_token()
    assert [fake.git_accepts(user, token) for user in (API, "ada", OAUTH, ADA, "")] == [True, True, *[False] * 3]
    assert not fake.git_accepts(OAUTH, "unknown")


async def test_a_revoked_user_token_is_refused_and_others_are_not(fake: FakeBitbucket) -> None:
    texts = fake.issue_access_token(), fake.issue_api_token(), fake.sign_in().access_token
    for text in texts:
        other = fake.issue_access_token()
        assert fake.is_live(text)
        fake.kill_access_token(text)
        assert not fake.is_live(text)
        assert fake.is_live(other)
        assert not any(fake.git_accepts(user, text) for user in (OAUTH, API))
        assert [get(fake, "/2.0/user", header)[0] for header in (f"Bearer {text}", basic(ADA, text))] == [401, 401]


async def test_a_user_token_expires_and_its_error_names_no_refresh_token(clock: FakeClock) -> None:
    fake = FakeBitbucket(clock)
    end = clock.wall() + 60
    texts = fake.issue_access_token(expires_at=end), fake.issue_api_token(expires_at=end)
    endless = fake.issue_access_token()
    await clock.advance(59)
    assert [fake.is_live(text) for text in texts] == [True, True]
    await clock.advance(1)
    assert [fake.is_live(text) for text in texts] == [False, False]
    assert "refresh token" not in str(get(fake, "/2.0/user", f"Bearer {texts[0]}"))
    await clock.advance(1e9)
    assert fake.is_live(endless)


async def test_an_api_token_of_a_person_without_an_address_works_only_for_git(fake: FakeBitbucket) -> None:
    token = fake.issue_api_token(fake.register_person("grace", emails=()))
    assert get(fake, "/2.0/user", basic("", token))[0] == 401
    assert fake.git_accepts(API, token)


async def test_user_tokens_are_independent_of_sign_ins(fake: FakeBitbucket) -> None:
    text = fake.issue_api_token()
    fake.expire_access_tokens()
    fake.revoke()
    assert (fake.is_live(text), fake.families, fake.token_requests) == (True, [], 0)


async def test_an_api_token_has_only_its_scopes(fake: FakeBitbucket) -> None:
    status, answer = get(fake, "/2.0/user", basic(ADA, fake.issue_api_token(scope={"repository"})))
    assert (status, answer["error"]["detail"]["required"]) == (403, ["account"])


async def test_a_scope_may_be_a_string(fake: FakeBitbucket) -> None:
    wanted = frozenset({"account", "email"})
    assert fake.sign_in(scope="account email").scope == wanted
    assert fake.registration(fake.register_client(scope="email account")).scope == wanted
    for header in (
        f"Bearer {fake.issue_access_token(scope='account email')}",
        basic(ADA, fake.issue_api_token(scope="account email")),
    ):
        assert [get(fake, path, header)[0] for path in ("/2.0/user", "/2.0/repositories/acme")] == [200, 403]


async def test_a_revoked_api_token_raises_the_api_error() -> None:
    async with mock_bitbucket() as fake:
        text = fake.issue_api_token()
        fake.kill_access_token(text)
        async with BitbucketAPI(ApiToken(ADA, text)) as api:
            with pytest.raises(ApiError) as refused:
                await api.get("/user")
    assert (refused.value.status, refused.value.retryable) == (401, False)
    assert text not in str(refused.value)
