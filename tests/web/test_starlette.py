"""The sign-in routes for Starlette, served by uvicorn."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.web.starlette import current_manager
from tests.support.web_apps import serve_starlette
from tests.support.web_sign_in import Serve
from tests.web.login_contract import LoginContract


class TestStarlette(LoginContract):
    @pytest.fixture
    def serve(self) -> Serve:
        return serve_starlette


async def test_an_application_without_a_sign_in_raises_an_error() -> None:
    request = Request({"type": "http", "app": Starlette(), "headers": []})
    with pytest.raises(ConfigurationError, match="add_login"):
        await current_manager(request)
