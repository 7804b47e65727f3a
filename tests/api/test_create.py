"""create_authenticated_api, and which token it uses."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bitbucket_auth_async import LoginRequiredError, Token, TokenManager
from bitbucket_auth_async.api import ApiError, create_authenticated_api
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.npm.get_access_token import get_access_token
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.client_settings import set_env_vars
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket


@pytest.fixture
async def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBitbucket]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    async with mock_bitbucket() as fake:
        with set_env_vars():
            yield fake


def grants(fake: FakeBitbucket) -> list[str | None]:
    return [entry.grant_type for entry in fake.log]


async def who(**options: Any) -> str:  # noqa: ANN401 - arguments of create_authenticated_api
    async with create_authenticated_api("my-app", **options) as api:
        user = await api.get("/user")
        return f"{user['type']} {user['display_name']}"


async def test_without_a_sign_in_the_clients_own_token_is_used_and_stored(fake: FakeBitbucket) -> None:
    assert await who() == f"app_user {fake.client.client_id}"
    assert await who() == f"app_user {fake.client.client_id}"
    assert grants(fake) == ["client_credentials"]


async def test_a_stored_sign_in_is_used(fake: FakeBitbucket) -> None:
    async with TokenManager(fake.client, store=FileStore(app_name="my-app")) as manager:
        await manager.adopt(fake.sign_in())
    assert await who() == "user Ada"
    assert grants(fake) == []


async def test_after_a_sign_out_the_clients_own_token_is_used(fake: FakeBitbucket) -> None:
    async with TokenManager(fake.client, store=FileStore(app_name="my-app")) as manager:
        await manager.adopt(fake.sign_in())
        await manager.logout()
    assert (await who()).startswith("app_user")


async def test_an_expired_sign_in_is_not_replaced_by_the_clients_token(fake: FakeBitbucket) -> None:
    fake.rules.lifetime = 0.05
    async with TokenManager(fake.client, store=FileStore(app_name="my-app")) as manager:
        token = await manager.adopt(fake.sign_in())
    fake.revoke()
    while time.time() < (token.expires_at or 0):
        pass
    with pytest.raises(LoginRequiredError):
        await who()
    assert "client_credentials" not in grants(fake)


async def test_a_client_token_stored_by_get_access_token_is_not_a_sign_in(fake: FakeBitbucket) -> None:
    await get_access_token("my-app")
    assert (await who()).startswith("app_user")


async def test_the_npm_packages_token_file_is_used(fake: FakeBitbucket) -> None:
    refresh_token = fake.sign_in().refresh_token
    await asyncio.to_thread((Path.home() / ".my-app").write_text, json.dumps({"refreshToken": refresh_token}))
    assert await who() == "user Ada"
    assert await who() == "user Ada"
    assert grants(fake) == ["refresh_token"]


async def test_the_programs_own_functions_store_the_token(fake: FakeBitbucket) -> None:
    config: dict[str, Any] = {"refreshToken": fake.sign_in().refresh_token, "mine": 1}

    async def save_config(new: Mapping[str, Any]) -> None:
        config.update(new)

    assert await who(load_config=lambda: config, save_config=save_config) == "user Ada"
    assert await who(load_config=lambda: config, save_config=save_config) == "user Ada"
    assert grants(fake) == ["refresh_token"]
    assert config["mine"] == 1
    assert fake.is_spendable(config["refreshToken"])


async def test_options_of_the_session_are_passed_on(fake: FakeBitbucket) -> None:
    async with create_authenticated_api("my-app", base_url="https://api.bitbucket.org/2.0/user") as api:
        assert (await api.get("/workspaces"))["values"]


async def test_the_token_renews_itself(fake: FakeBitbucket) -> None:
    fake.rules.lifetime = 0.05
    async with create_authenticated_api("my-app") as api:
        while fake.token_requests < 3:
            assert (await api.get("/user"))["type"] == "app_user"
    assert set(grants(fake)) == {"client_credentials"}


@pytest.mark.parametrize("options", [{"load_config": dict}, {"save_config": print}])
async def test_one_function_of_the_pair_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="_config is given without"):
        async with create_authenticated_api("my-app", **options):
            pytest.fail("no session is yielded")


@pytest.mark.parametrize("name", ["", None, 7])
async def test_an_application_name_is_required(name: Any) -> None:  # noqa: ANN401 - wrong types
    with pytest.raises(ConfigurationError, match="app_name"):
        async with create_authenticated_api(name):
            pytest.fail("no session is yielded")


async def test_without_a_client_the_error_names_the_environment_variable(fake: FakeBitbucket) -> None:
    with pytest.MonkeyPatch.context() as patch:  # undone before the fixture's changes
        patch.delenv("BITBUCKET_CLIENT_ID")
        patch.delenv("BITBUCKET_CLIENT_SECRET")
        with pytest.raises(ConfigurationError, match="BITBUCKET_CLIENT_ID"):
            async with create_authenticated_api("my-app"):
                pytest.fail("no session is yielded")


async def test_a_function_returns_the_token_and_gets_the_given_options(fake: FakeBitbucket) -> None:
    asked: list[dict[str, Any]] = []

    async def get(**options: Any) -> Token:  # noqa: ANN401 - any options
        asked.append(options)
        return fake.sign_in()

    assert await who(get_access_token=get) == "user Ada"
    assert await who(get_access_token=get, load_config=dict, save_config=print) == "user Ada"
    assert asked == [{"app_name": "my-app"}, {"app_name": "my-app", "load_config": dict, "save_config": print}]


async def test_get_access_token_of_the_npm_room_can_be_that_function(fake: FakeBitbucket) -> None:
    assert (await who(get_access_token=get_access_token)).startswith("app_user")
    assert grants(fake) == ["client_credentials"]


async def test_a_function_without_another_token_leaves_the_401_to_the_caller(fake: FakeBitbucket) -> None:
    token = fake.sign_in()

    def get(**_: object) -> Token:
        return token

    async with create_authenticated_api("my-app", get_access_token=get) as api:
        await api.get("/user")
        fake.expire_access_tokens()
        with pytest.raises(ApiError, match="401"):
            await api.get("/user")
