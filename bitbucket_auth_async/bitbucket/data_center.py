"""bitbucket_data_center: the OAuth 2.0 provider of Bitbucket Data Center, available since 7.21."""

from urllib.parse import urlsplit

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, origin_of


def bitbucket_data_center(base_url: str) -> AuthorizationServer:
    """Return a Bitbucket Data Center's authorization server: code grant with PKCE, scopes in upper case.

    Its handling of a refresh token that is used twice is undocumented, so `reuse_grace` is 0 (strict).
    https://confluence.atlassian.com/bitbucketserver089/bitbucket-oauth-2-0-provider-api-1236436692.html

    Args:
        base_url: The base URL that its administrator set, with the context path.

    Raises:
        ConfigurationError: It is not https (plain http is for loopback addresses only), or has a query or fragment.
    """
    origin = origin_of(base_url, name="base_url")
    if "?" in base_url or "#" in base_url:
        msg = "base_url: expected a URL without query and fragment."
        raise ConfigurationError(msg)
    provider = origin + urlsplit(base_url).path.rstrip("/") + "/rest/oauth2/latest"
    return AuthorizationServer(
        authorization_endpoint=f"{provider}/authorize",
        token_endpoint=f"{provider}/token",
        api_origins=frozenset({origin}),
    )
