"""Limits that Bitbucket Cloud sets: items per page, and lifetimes of refresh tokens."""

from typing import Final

PAGE_LIMIT: Final = 100
"""The largest `pagelen` of most lists (https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination).

Some lists take less, such as pull requests with 50: https://github.com/jenkinsci/bitbucket-branch-source-plugin/pull/1182
"""

# Both lifetimes come from an Atlassian engineer: https://github.com/git-ecosystem/git-credential-manager/issues/2428
REUSE_GRACE: Final = 600.0
"""Seconds for which a refresh token still works after its first use."""
UNUSED_REFRESH_TOKEN_LIFETIME: Final = 90 * 86400.0
"""Seconds after which a refresh token expires if it is not used: three months."""
