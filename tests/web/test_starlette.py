"""The routes under Starlette, served by uvicorn."""

import pytest

from tests.web.apps import serve_starlette
from tests.web.login_contract import LoginContract
from tests.web.people import Serve


class TestStarlette(LoginContract):
    @pytest.fixture
    def serve(self) -> Serve:
        return serve_starlette
