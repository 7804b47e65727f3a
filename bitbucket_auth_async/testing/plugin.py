"""pytest fixtures of the testing kit; each imports its modules on use, so that pytest starts quickly."""

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest import fixture as async_fixture  # noqa: PT013  - one name for both providers

    from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
    from bitbucket_auth_async.testing.fake_clock import FakeClock
    from bitbucket_auth_async.testing.server import Site
else:
    try:
        # Strict mode needs pytest-asyncio's own fixture; if installed, pytest has imported it already.
        from pytest_asyncio import fixture as async_fixture
    except ImportError:  # anyio's plugin runs plain fixtures
        async_fixture = pytest.fixture


@pytest.fixture
def fake_clock() -> "FakeClock":
    """A FakeClock; `await fake_clock.advance(seconds)` moves it."""
    from bitbucket_auth_async.testing.fake_clock import FakeClock  # noqa: PLC0415  - see the module's docstring

    return FakeClock()


@pytest.fixture
def fake_bitbucket(request: pytest.FixtureRequest) -> "FakeBitbucket":
    """A FakeBitbucket, which is also a Transport; it uses `fake_clock` if the test requests that too."""
    from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket  # noqa: PLC0415  - see the module's docstring

    if "fake_clock" in request.fixturenames:
        return FakeBitbucket(request.getfixturevalue("fake_clock"))
    return FakeBitbucket()


@async_fixture
async def fake_bitbucket_server(fake_bitbucket: "FakeBitbucket") -> AsyncGenerator["Site"]:
    """The `fake_bitbucket` on a local port: `base_url`, and `server` for a TokenManager."""
    from bitbucket_auth_async.testing.server import serve  # noqa: PLC0415  - see the module's docstring

    async with serve(fake_bitbucket) as site:
        yield site


@async_fixture
async def mocked_bitbucket(fake_bitbucket: "FakeBitbucket") -> AsyncGenerator["FakeBitbucket"]:
    """The `fake_bitbucket`, which aiohttp reaches as bitbucket.org and api.bitbucket.org; others are refused."""
    from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket  # noqa: PLC0415  - see the module's docstring

    async with mock_bitbucket(fake_bitbucket) as fake:
        yield fake


@pytest.fixture
def bitbucket_env(fake_bitbucket: "FakeBitbucket") -> Generator[Mapping[str, str]]:
    """The environment variables of `client_from_env`, set to the client registered at `fake_bitbucket`."""
    from bitbucket_auth_async.testing.client_settings import set_env_vars  # noqa: PLC0415  - see the module's docstring

    client = fake_bitbucket.registration()
    with set_env_vars(client.client_id, client.client_secret) as variables:
        yield variables


@pytest.fixture
def mocked_token_endpoint() -> Generator[Any]:
    """The token endpoint of Bitbucket Cloud, mocked by aioresponses with one fixed response."""
    from bitbucket_auth_async.testing.aioresponses import mock_token_endpoint  # noqa: PLC0415  - see the module's docstring

    with mock_token_endpoint() as mocked:
        yield mocked
