"""The routes under aiohttp.web."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.web.aiohttp import current_manager
from tests.web.apps import serve_aiohttp
from tests.web.login_contract import LoginContract
from tests.web.people import Serve


class TestAiohttp(LoginContract):
    @pytest.fixture
    def serve(self) -> Serve:
        return serve_aiohttp


async def test_an_application_without_a_sign_in_is_told_what_is_missing() -> None:
    request = make_mocked_request("GET", "/", app=web.Application())
    with pytest.raises(ConfigurationError, match="add_login"):
        await current_manager(request)
