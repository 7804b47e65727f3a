"""Bitbucket Data Center: its OAuth 2.0 provider, there since 7.21."""

from urllib.parse import urlsplit

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, origin_of


def bitbucket_data_center(base_url: str) -> AuthorizationServer:
    """Return the authorization server of a Bitbucket Data Center: code grant with PKCE, scopes in upper case.

    No source says how it treats a refresh token that is used twice, so it counts as strict (`reuse_grace` 0).
    https://confluence.atlassian.com/bitbucketserver089/bitbucket-oauth-2-0-provider-api-1236436692.html

    Args:
        base_url: Its base URL as its administrator set it, context path included.

    Raises:
        ConfigurationError: It is not https (plain http is for loopback addresses alone), or has a query or fragment.
    """
    origin = origin_of(base_url, name="base_url")
    if "?" in base_url or "#" in base_url:
        msg = "base_url: expected an address without query and fragment."
        raise ConfigurationError(msg)
    provider = origin + urlsplit(base_url).path.rstrip("/") + "/rest/oauth2/latest"
    return AuthorizationServer(
        authorization_endpoint=f"{provider}/authorize",
        token_endpoint=f"{provider}/token",
        api_origins=frozenset({origin}),
    )
