"""UserTokens: access tokens and API tokens that people create in Bitbucket's settings."""

import math
from collections.abc import Iterable

from bitbucket_auth_async.oauth2.grants import scope_set
from bitbucket_auth_async.testing.fake.issued_tokens import AccessToken, Family, IssuedTokens
from bitbucket_auth_async.testing.fake.registry import Person, RegisteredClient, Registry

_DEFAULT_SCOPE = frozenset({"repository"})


class UserTokens(Registry):
    """A Registry that can also issue access tokens and API tokens, which can't be refreshed."""

    def __init__(self, issued: IssuedTokens) -> None:
        """Start without such tokens."""
        super().__init__()
        self._issued = issued

    def issue_access_token(self, *, scope: Iterable[str] = _DEFAULT_SCOPE, expires_at: float | None = None) -> str:
        """Return a new access token of a repository, project or workspace, for `AccessToken`.

        Args:
            scope: Its scopes; most have no access to accounts.
            expires_at: Seconds since the epoch; None for no expiry.
        """
        allowed = scope_set(scope)
        owner = RegisteredClient(
            client_id=f"access-token-{len(self._issued.user_tokens) + 1}",
            client_secret="",
            callback=None,
            private=True,
            scope=allowed,
            workspace=self.registration().workspace,
        )
        return self._issue("access_token", owner, None, allowed, expires_at).text

    def issue_api_token(
        self, person: Person | None = None, *, scope: Iterable[str] | None = None, expires_at: float | None = None
    ) -> str:
        """Return a new API token, for `ApiToken` together with the person's primary address.

        Args:
            person: Its owner; by default `person`.
            scope: Its scopes, by their OAuth names; by default those of `client`.
            expires_at: Seconds since the epoch; None for no expiry.
        """
        owner = self.registration()
        allowed = owner.scope if scope is None else scope_set(scope)
        return self._issue("api_token", owner, person or self.person, allowed, expires_at).text

    def kill_access_token(self, access_token: str) -> None:
        """Revoke one access token or API token, as in Bitbucket's settings."""
        (self._issued.access.get(access_token) or self._issued.user_tokens[access_token]).revoked = True

    def is_live(self, access_token: str) -> bool:
        """Return whether the API accepts this access token or API token now."""
        token = self._issued.access.get(access_token) or self._issued.user_tokens.get(access_token)
        return token is not None and self._issued.is_live(token)

    def git_accepts(self, username: str, password: str) -> bool:
        """Return whether Git over HTTPS accepts this pair; for a test's own Git server."""
        token = self._issued.access.get(password) or self._issued.user_tokens.get(password)
        if token is None or not self._issued.is_live(token):
            return False
        if token.family.person is None or token.family.grant_type != "api_token":
            return username == "x-token-auth"
        return username in {"x-bitbucket-api-token-auth", token.family.person.username}

    def _issue(
        self,
        kind: str,
        owner: RegisteredClient,
        person: Person | None,
        scope: frozenset[str],
        expires_at: float | None,
    ) -> AccessToken:
        # It belongs to no sign-in, so it is not in `families`.
        family = Family(number=0, client=owner, person=person, grant_type=kind, scope=scope)
        return self._issued.issue_user_token(family, math.inf if expires_at is None else expires_at)
