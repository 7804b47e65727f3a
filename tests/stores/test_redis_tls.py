"""RedisStore over TLS: only to a server with a certificate of the named authority."""

from collections.abc import AsyncGenerator

import pytest

from bitbucket_auth_async.errors import StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.open_store import open_store
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.testing.store_contract import a_record
from tests.support.certificate_authority import CertificateAuthority
from tests.support.store_servers import RedisServer
from tests.support.tcp_proxies import TcpProxy, tcp_proxy


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def proxy(
    request: pytest.FixtureRequest, valkey: RedisServer, authority: CertificateAuthority
) -> AsyncGenerator[TcpProxy]:
    """Run a TLS proxy in front of the server, with a certificate for the host name in the parameter."""
    async with tcp_proxy(valkey.port, tls=authority.server_context(getattr(request, "param", "localhost"))) as proxy:
        yield proxy


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_a_server_with_a_certificate_of_the_named_authority_is_used(
    scheme: str, proxy: TcpProxy, authority: CertificateAuthority
) -> None:
    address = f"{scheme}://localhost:{proxy.port}/0?ssl_ca_certs={authority.path}"
    async with open_store(address) as store:
        version = await store.swap(scheme, a_record(), expected=0)
        assert await store.load(scheme) == Versioned(a_record(), version)
    assert proxy.connections


async def test_a_server_of_an_unknown_authority_gets_no_record(proxy: TcpProxy) -> None:
    async with RedisStore(f"rediss://localhost:{proxy.port}/0") as store:
        with pytest.raises(StoreError, match="certificate") as caught:
            await store.swap("alice", a_record(), expected=0)
    assert not caught.value.retryable
    assert proxy.connections == 0


@pytest.mark.parametrize("proxy", ["elsewhere.example"], indirect=True)
async def test_a_server_with_another_name_gets_no_record(proxy: TcpProxy, authority: CertificateAuthority) -> None:
    async with RedisStore(f"rediss://localhost:{proxy.port}/0?ssl_ca_certs={authority.path}") as store:
        with pytest.raises(StoreError, match="certificate") as caught:
            await store.swap("alice", a_record(), expected=0)
    assert not caught.value.retryable
    assert proxy.connections == 0
