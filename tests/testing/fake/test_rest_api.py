"""The API of the fake: access, errors and data."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock

Ask = Any  # Asking of conftest.py, from where no name can be imported


def get(fake: FakeBitbucket, path: str, bearer: str, **query: str) -> tuple[int, Any]:
    response = fake.api("GET", path, query, {"authorization": f"Bearer {bearer}"})
    return response.status, json.loads(response.body)


async def test_a_person_is_returned_with_all_addresses(fake: FakeBitbucket) -> None:
    bearer = fake.sign_in().access_token
    status, user = get(fake, "/2.0/user", bearer)
    assert (status, user["type"], user["username"]) == (200, "user", "ada")
    _, emails = get(fake, "/2.0/user/emails", bearer)
    assert [(row["email"], row["is_primary"]) for row in emails["values"]] == [
        ("ada@example.com", True),
        ("lovelace@example.org", False),
    ]
    _, workspaces = get(fake, "/2.0/user/workspaces", bearer)
    assert [row["slug"] for row in workspaces["values"]] == ["acme"]


async def test_client_credentials_act_as_an_app_user(fake: FakeBitbucket, ask: Ask) -> None:
    _, answer = ask(ClientCredentials())
    _, user = get(fake, "/2.0/user", answer["access_token"])
    assert user["type"] == "app_user"
    assert {"account_id", "account_status", "kind"} <= set(user)
    assert get(fake, "/2.0/user/emails", answer["access_token"])[1]["values"] == []


async def test_repositories_are_paginated_until_there_is_no_next(fake: FakeBitbucket) -> None:
    fake.rest.repositories = 25
    bearer, query, slugs, pages = fake.sign_in().access_token, dict[str, str](), list[str](), 0
    while True:
        status, page = get(fake, "/2.0/repositories/acme", bearer, **query)
        assert status == 200
        slugs += [row["slug"] for row in page["values"]]
        pages += 1
        if "next" not in page:
            break
        following = urlsplit(str(page["next"]))
        assert (following.scheme, following.netloc) == ("https", "api.bitbucket.org")
        assert following.path == "/2.0/repositories/acme"
        query = dict(parse_qsl(following.query))
    assert pages == 3  # ten on each page
    assert slugs == [f"acme-{number}" for number in range(1, 26)]
    assert "previous" in page


@pytest.mark.parametrize("query", [{"pagelen": "101"}, {"pagelen": "0"}, {"page": "0"}, {"page": "4"}, {"page": "x"}])
async def test_a_page_that_does_not_exist_is_a_400(fake: FakeBitbucket, query: dict[str, str]) -> None:
    assert get(fake, "/2.0/repositories/acme", fake.sign_in().access_token, **query)[0] == 400


async def test_an_empty_workspace_has_one_empty_page(fake: FakeBitbucket) -> None:
    fake.rest.repositories = 0
    status, page = get(fake, "/2.0/repositories/acme", fake.sign_in().access_token)
    assert (status, page["values"], "next" in page) == (200, [], False)


async def test_a_repository_has_its_own_path(fake: FakeBitbucket) -> None:
    bearer = fake.sign_in().access_token
    assert get(fake, "/2.0/repositories/acme/acme-7", bearer)[1]["full_name"] == "acme/acme-7"
    assert get(fake, "/2.0/repositories/acme/acme-700", bearer)[0] == 404


async def test_a_missing_scope_is_named_with_the_granted_ones(fake: FakeBitbucket) -> None:
    bearer = fake.sign_in(scope={"repository"}).access_token
    assert get(fake, "/2.0/user", bearer) == (
        403,
        {
            "type": "error",
            "error": {
                "message": "Your credentials lack one or more required privilege scopes.",
                "detail": {"required": ["account"], "granted": ["repository"]},
            },
        },
    )


async def test_an_implied_scope_is_enough(fake: FakeBitbucket) -> None:
    assert get(fake, "/2.0/repositories/acme", fake.sign_in(scope={"pullrequest:write"}).access_token)[0] == 200
    assert get(fake, "/2.0/repositories/acme", fake.sign_in(scope={"project:admin"}).access_token)[0] == 403


async def test_headers_name_granted_and_accepted_scopes(fake: FakeBitbucket) -> None:
    bearer = fake.sign_in(scope={"email", "account"}).access_token
    for path, status in (("/2.0/user", 200), ("/2.0/repositories/acme", 403)):
        response = fake.api("GET", path, headers={"Authorization": f"Bearer {bearer}"})
        assert response.status == status
        assert response.headers["x-oauth-scopes"] == "account, email"
    assert response.headers["x-accepted-oauth-scopes"] == "repository"


@pytest.mark.parametrize("header", ["", "Bearer", "bearer {}", "Basic {}", "Bearer  {}", "Bearer {}x"])
async def test_a_bearer_is_accepted_in_one_form_only(fake: FakeBitbucket, header: str) -> None:
    bearer = fake.sign_in().access_token
    assert fake.api("GET", "/2.0/user", headers={"Authorization": header.format(bearer)}).status == 401
    assert fake.api("GET", "/2.0/user", {"access_token": bearer}).status == 401


async def test_an_expired_and_an_unknown_token_have_different_errors(fake: FakeBitbucket, clock: FakeClock) -> None:
    bearer = fake.sign_in().access_token
    invalid = "Token is invalid, expired, or not supported for this endpoint."
    assert get(fake, "/2.0/user", "unknown")[1]["error"]["message"] == invalid
    await clock.advance(3600)
    expired = "OAuth2 access token expired. Use your refresh token to obtain a new access token."
    assert get(fake, "/2.0/user", bearer) == (401, {"type": "error", "error": {"message": expired}})


async def test_a_manager_on_another_clock_causes_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    fake = FakeBitbucket(clock)
    async with TokenManager(fake.client, grant=ClientCredentials(), transport=fake) as manager:
        bearer = (await manager.get_token()).access_token
        await clock.advance(3600)
        assert bearer == (await manager.get_token()).access_token
    assert get(fake, "/2.0/user", bearer)[0] == 401
    assert "Pass the same clock= to your TokenManager" in caplog.text
    assert bearer not in caplog.text


@pytest.mark.parametrize("clock", [FakeClock(), SYSTEM_CLOCK])
async def test_a_token_expired_by_the_test_causes_no_clock_warning(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeBitbucket(clock, lifetime=0)
    bearer = fake.sign_in().access_token
    if isinstance(clock, FakeClock):
        fake.expire_access_tokens()
    assert get(fake, "/2.0/user", bearer)[0] == 401
    assert caplog.text == ""


@pytest.mark.parametrize("as_expired, word", [(True, "expired. Use your"), (False, "invalid, expired, or")])
async def test_all_access_tokens_can_be_expired(fake: FakeBitbucket, as_expired: bool, word: str) -> None:  # noqa: FBT001  - a parameter of the test
    bearer = fake.sign_in().access_token
    fake.expire_access_tokens(as_expired=as_expired)
    status, answer = get(fake, "/2.0/user", bearer)
    assert status == 401
    assert word in answer["error"]["message"]
    assert get(fake, "/2.0/user", fake.sign_in().access_token)[0] == 200


async def test_a_legacy_fake_has_the_old_expiry_message(clock: FakeClock) -> None:
    fake = FakeBitbucket(clock, legacy=True)
    bearer = fake.sign_in().access_token
    await clock.advance(7200)
    assert get(fake, "/2.0/user", bearer)[1]["error"]["message"].startswith("Access token expired.")


@pytest.mark.parametrize("path", ["/2.0/workspaces", "/2.0/repositories", "/2.0/user/permissions/repositories"])
async def test_cross_workspace_endpoints_return_410(fake: FakeBitbucket, path: str) -> None:
    status, answer = get(fake, path, fake.sign_in().access_token)
    assert status == 410
    assert answer["error"]["message"].startswith("CHANGE-2770")


async def test_unknown_paths_and_methods_are_refused(fake: FakeBitbucket) -> None:
    bearer = fake.sign_in().access_token
    assert get(fake, "/2.0/nothing", bearer)[0] == 404
    assert fake.api("DELETE", "/2.0/user", headers={"Authorization": f"Bearer {bearer}"}).status == 405
