"""Bitbucket Cloud: its endpoints, and its habits as of 2026."""

import re
from typing import Final

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer

# A refresh token dies about ten minutes after its first use, unused after three months (said by an Atlassian engineer):
# https://github.com/git-ecosystem/git-credential-manager/issues/2428
REUSE_GRACE: Final = 600.0
"""Seconds for which a refresh token of Bitbucket Cloud still works after its first use."""

_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


def bitbucket_cloud(domain: str = "bitbucket.org") -> AuthorizationServer:
    """Return Bitbucket Cloud, or what stands in for it at another host name.

    Endpoints: https://developer.atlassian.com/cloud/bitbucket/rest/intro/

    Args:
        domain: Host name, with a port if need be; the API is then at `api.` and that name.

    Raises:
        ConfigurationError: *domain* is not a host name.
    """
    if not _HOST.fullmatch(domain):
        msg = "domain: expected a host name such as bitbucket.org, without scheme and path."
        raise ConfigurationError(msg)
    return AuthorizationServer(
        authorization_endpoint=f"https://{domain}/site/oauth2/authorize",
        token_endpoint=f"https://{domain}/site/oauth2/access_token",
        # Since 2026-05-04 the bearer is taken at this one host, in the Authorization header alone:
        # https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-3052
        api_origins=frozenset({f"https://api.{domain}"}),
        reuse_grace=REUSE_GRACE,
    )


BITBUCKET_CLOUD: Final = bitbucket_cloud()
"""Bitbucket Cloud, the server of whoever names no other."""
