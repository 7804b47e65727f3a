"""Addresses of Bitbucket Cloud: its host, and the paths of its OAuth endpoints and REST API."""

from typing import Final

HOST: Final = "bitbucket.org"
"""Host of the website, of both OAuth endpoints and of Git over HTTPS; the REST API is at `api.` and this name."""
SITE: Final = f"https://{HOST}"
"""Origin of the website."""
AUTHORIZATION_PATH: Final = "/site/oauth2/authorize"
"""Path of the `authorization_endpoint`."""
TOKEN_PATH: Final = "/site/oauth2/access_token"  # noqa: S105  - a path
"""Path of the `token_endpoint`."""
API_PATH: Final = "/2.0"
"""Path that all REST endpoints begin with."""
USER_PATH: Final = f"{API_PATH}/user"
"""Path of the endpoint that returns the account of a token; it needs the scope `account`."""
