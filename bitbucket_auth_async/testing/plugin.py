"""pytest fixtures of the testing kit; each imports what it needs when it is asked for, so pytest starts at once."""

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest import fixture as async_fixture  # noqa: PT013  - one name, whoever provides it

    from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
    from bitbucket_auth_async.testing.fake_clock import FakeClock
    from bitbucket_auth_async.testing.server import Site
else:
    try:
        # Its own mark is needed in its strict mode; where it is installed, pytest has imported it already.
        from pytest_asyncio import fixture as async_fixture
    except ImportError:  # anyio's plugin runs plain ones
        async_fixture = pytest.fixture


@pytest.fixture
def fake_clock() -> "FakeClock":
    """A clock that moves when `await fake_clock.advance(seconds)` says so."""
    from bitbucket_auth_async.testing.fake_clock import FakeClock  # noqa: PLC0415  - see the module's docstring

    return FakeClock()


@pytest.fixture
def fake_bitbucket(request: pytest.FixtureRequest) -> "FakeBitbucket":
    """A Bitbucket in memory, itself a Transport; on `fake_clock`, if the test asks for that too."""
    from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket  # noqa: PLC0415  - see the module's docstring

    if "fake_clock" in request.fixturenames:
        return FakeBitbucket(request.getfixturevalue("fake_clock"))
    return FakeBitbucket()


@async_fixture
async def fake_bitbucket_server(fake_bitbucket: "FakeBitbucket") -> AsyncGenerator["Site"]:
    """The `fake_bitbucket` behind a local port: `base_url`, and `server` for a TokenManager."""
    from bitbucket_auth_async.testing.server import serve  # noqa: PLC0415  - see the module's docstring

    async with serve(fake_bitbucket) as site:
        yield site


@async_fixture
async def mocked_bitbucket(fake_bitbucket: "FakeBitbucket") -> AsyncGenerator["FakeBitbucket"]:
    """The `fake_bitbucket`, which aiohttp reaches as bitbucket.org and api.bitbucket.org; nothing else is there."""
    from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket  # noqa: PLC0415  - see the module's docstring

    async with mock_bitbucket(fake_bitbucket) as fake:
        yield fake


@pytest.fixture
def bitbucket_env(fake_bitbucket: "FakeBitbucket") -> Generator[Mapping[str, str]]:
    """The environment variables that `client_from_env` reads, set to the client that `fake_bitbucket` knows."""
    from bitbucket_auth_async.testing.client_settings import set_env_vars  # noqa: PLC0415  - see the module's docstring

    client = fake_bitbucket.registration()
    with set_env_vars(client.client_id, client.client_secret) as variables:
        yield variables


@pytest.fixture
def mocked_token_endpoint() -> Generator[Any]:
    """The token endpoint of Bitbucket Cloud, mocked by aioresponses with one fixed answer."""
    from bitbucket_auth_async.testing.aioresponses import mock_token_endpoint  # noqa: PLC0415  - see the module's docstring

    with mock_token_endpoint() as mocked:
        yield mocked
