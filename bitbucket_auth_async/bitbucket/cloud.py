"""BITBUCKET_CLOUD: the authorization server of Bitbucket Cloud, as of 2026."""

import re
from typing import Final

from bitbucket_auth_async.bitbucket.addresses import AUTHORIZATION_PATH, HOST, TOKEN_PATH
from bitbucket_auth_async.bitbucket.limits import REUSE_GRACE
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer

_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


def bitbucket_cloud(domain: str = HOST) -> AuthorizationServer:
    """Return Bitbucket Cloud's authorization server, or one with the same paths at another host.

    Endpoints: https://developer.atlassian.com/cloud/bitbucket/rest/intro/

    Args:
        domain: Host name, with a port if needed; the API is at `api.` and this name.

    Raises:
        ConfigurationError: *domain* is not a host name.
    """
    if not _DOMAIN.fullmatch(domain):
        msg = "domain: expected a host name such as bitbucket.org, without scheme and path."
        raise ConfigurationError(msg)
    return AuthorizationServer(
        authorization_endpoint=f"https://{domain}{AUTHORIZATION_PATH}",
        token_endpoint=f"https://{domain}{TOKEN_PATH}",
        # Since 2026-05-04 the API accepts the token at this host only, and in the Authorization header only:
        # https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-3052
        api_origins=frozenset({f"https://api.{domain}"}),
        reuse_grace=REUSE_GRACE,
    )


BITBUCKET_CLOUD: Final = bitbucket_cloud()
"""Bitbucket Cloud, the default server."""
