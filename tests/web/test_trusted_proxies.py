"""The origin that the browser uses, behind trusted proxies and others."""

import pytest

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.web.trusted_proxies import TrustedProxies

OURS = "https://my-app.example"
FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-host": "my-app.example"}


def seen(peer: str | None, headers: dict[str, str], *trusted: str) -> str:
    return TrustedProxies(trusted).origin(scheme="http", host="10.0.0.9:8080", peer=peer, headers=headers)


@pytest.mark.parametrize(
    "trusted, peer",
    [("10.0.0.0/8", "10.1.2.3"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1"), ("unix", None), ("unix", "")],
)
def test_a_trusted_proxy_is_believed(trusted: str, peer: str | None) -> None:
    assert seen(peer, FORWARDED, trusted) == OURS


@pytest.mark.parametrize(
    "trusted, peer",
    [("10.0.0.0/8", "11.1.2.3"), ("10.0.0.0/8", None), ("unix", "10.1.2.3"), ("10.0.0.0/8", "proxy"), ("::1", "::2")],
)
def test_headers_of_any_other_peer_are_ignored(trusted: str, peer: str | None) -> None:
    assert seen(peer, FORWARDED, trusted) == "http://10.0.0.9:8080"
    assert seen(peer, FORWARDED) == "http://10.0.0.9:8080"


def test_only_the_last_forwarded_value_counts() -> None:
    headers = {"x-forwarded-proto": "http, https", "x-forwarded-host": "evil.example, my-app.example"}
    assert seen("127.0.0.1", headers, "127.0.0.1") == OURS


def test_an_origin_is_normalized() -> None:
    headers = {"x-forwarded-proto": "HTTPS", "x-forwarded-host": "My-App.example:443"}
    assert seen("127.0.0.1", headers, "127.0.0.1") == OURS


def test_a_host_name_as_proxy_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        TrustedProxies(["proxy.example"])
