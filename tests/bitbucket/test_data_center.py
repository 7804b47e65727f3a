"""Bitbucket Data Center: endpoints under its base URL, and no reuse grace."""

import pytest

from bitbucket_auth_async.bitbucket.data_center import bitbucket_data_center
from bitbucket_auth_async.errors import ConfigurationError


@pytest.mark.parametrize(
    "base_url, base, origin",
    [
        ("https://git.example", "https://git.example", "https://git.example"),
        ("https://git.example/", "https://git.example", "https://git.example"),
        ("https://GIT.example:7990/bitbucket/", "https://git.example:7990/bitbucket", "https://git.example:7990"),
        ("https://git.example/X", "https://git.example/X", "https://git.example"),
        ("http://localhost:7990/bitbucket", "http://localhost:7990/bitbucket", "http://localhost:7990"),
    ],
)
def test_the_endpoints_are_under_the_base_url(base_url: str, base: str, origin: str) -> None:
    server = bitbucket_data_center(base_url)
    assert server.authorization_endpoint == f"{base}/rest/oauth2/latest/authorize"
    assert server.token_endpoint == f"{base}/rest/oauth2/latest/token"
    assert server.api_origins == {origin}


def test_it_has_no_reuse_grace() -> None:
    assert bitbucket_data_center("https://git.example").reuse_grace == 0.0


@pytest.mark.parametrize("base_url", ["https://git.example?x=1", "https://git.example/#x", "https://git.example/a?"])
def test_a_query_or_fragment_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        bitbucket_data_center(base_url)
    assert str(caught.value) == "base_url: expected a URL without query and fragment."


@pytest.mark.parametrize("base_url", ["http://git.example", "git.example", "https://u:p@git.example", ""])
def test_a_url_that_would_send_secrets_unencrypted_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^base_url: "):
        bitbucket_data_center(base_url)
