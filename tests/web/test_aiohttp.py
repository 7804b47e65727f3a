"""The routes under aiohttp.web."""

import pytest

from tests.web.apps import serve_aiohttp
from tests.web.login_contract import LoginContract
from tests.web.people import Serve


class TestAiohttp(LoginContract):
    @pytest.fixture
    def serve(self) -> Serve:
        return serve_aiohttp
