"""The addresses and limits of Bitbucket Cloud, as documented in 2026."""

import pytest

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD, bitbucket_cloud
from bitbucket_auth_async.errors import ConfigurationError


def test_the_endpoints_are_as_bitbucket_documents_them() -> None:
    assert BITBUCKET_CLOUD.authorization_endpoint == "https://bitbucket.org/site/oauth2/authorize"
    assert BITBUCKET_CLOUD.token_endpoint == "https://bitbucket.org/site/oauth2/access_token"


def test_a_used_refresh_token_works_for_another_ten_minutes() -> None:
    assert BITBUCKET_CLOUD.reuse_grace == 600.0


def test_r12_the_bearer_is_for_the_api_host_only() -> None:
    assert BITBUCKET_CLOUD.api_origins == {"https://api.bitbucket.org"}


def test_another_domain_has_the_same_paths_and_grace() -> None:
    server = bitbucket_cloud("bb.example:8443")
    assert server.authorization_endpoint == "https://bb.example:8443/site/oauth2/authorize"
    assert server.token_endpoint == "https://bb.example:8443/site/oauth2/access_token"
    assert server.api_origins == {"https://api.bb.example:8443"}
    assert server.reuse_grace == 600.0
    assert bitbucket_cloud() == BITBUCKET_CLOUD


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "https://bitbucket.org",
        "bitbucket.org/x",
        "a@b",
        "a b",
        "a.example\n",
        "a:b",
        "a.example:123456",
        "a?x",
        "a#x",
    ],
)
def test_an_invalid_host_name_is_refused(domain: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        bitbucket_cloud(domain)
    assert str(caught.value) == "domain: expected a host name such as bitbucket.org, without scheme and path."
