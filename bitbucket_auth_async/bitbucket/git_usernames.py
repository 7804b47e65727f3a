"""User names that Bitbucket Cloud expects in Git over HTTPS; the token is the password."""

from typing import Final

ACCESS_TOKEN_USERNAME: Final = "x-token-auth"  # noqa: S105  - a user name
"""For an OAuth access token, and for the access token of a repository, project or workspace."""
API_TOKEN_USERNAME: Final = "x-bitbucket-api-token-auth"  # noqa: S105  - a user name
"""For a person's API token."""
