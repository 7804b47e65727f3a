"""RedisStore over TLS: to a server for which an authority of our own vouches, and to none other."""

from collections.abc import AsyncGenerator, Iterator

import pytest

from bitbucket_auth_async.errors import StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.open_store import open_store
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.testing.store_contract import a_record
from tests.support.certificate_authority import Authority
from tests.support.store_servers import RedisServer, redis_server
from tests.support.tcp_proxies import Line, line_to


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server("valkey", "--save", "") as server:
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def line(request: pytest.FixtureRequest, server: RedisServer, authority: Authority) -> AsyncGenerator[Line]:
    """Put TLS before the server, which was built without, under the name that the parameter has."""
    async with line_to(server.port, tls=authority.vouches_for(getattr(request, "param", "localhost"))) as line:
        yield line


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_a_server_that_an_authority_vouches_for_is_used_over_tls(
    scheme: str, line: Line, authority: Authority
) -> None:
    address = f"{scheme}://localhost:{line.port}/0?ssl_ca_certs={authority.path}"
    async with open_store(address) as store:
        version = await store.swap(scheme, a_record(), expected=0)
        assert await store.load(scheme) == Versioned(a_record(), version)
    assert line.connections


async def test_a_server_whose_authority_nobody_named_gets_nothing(line: Line) -> None:
    async with RedisStore(f"rediss://localhost:{line.port}/0") as store:
        with pytest.raises(StoreError, match="certificate") as caught:
            await store.swap("alice", a_record(), expected=0)
    assert not caught.value.retryable
    assert line.connections == 0


@pytest.mark.parametrize("line", ["elsewhere.example"], indirect=True)
async def test_a_server_with_another_name_gets_nothing(line: Line, authority: Authority) -> None:
    async with RedisStore(f"rediss://localhost:{line.port}/0?ssl_ca_certs={authority.path}") as store:
        with pytest.raises(StoreError, match="certificate") as caught:
            await store.swap("alice", a_record(), expected=0)
    assert not caught.value.retryable
    assert line.connections == 0
