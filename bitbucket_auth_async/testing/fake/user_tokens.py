"""Settings: tokens that people make in Bitbucket's settings, that nobody renews, and what each of them opens."""

import math
from collections.abc import Iterable

from bitbucket_auth_async.oauth2.grants import scope_set
from bitbucket_auth_async.testing.fake.issued_tokens import AccessToken, Family, IssuedTokens
from bitbucket_auth_async.testing.fake.registry import Person, RegisteredClient, Registry

_READING = frozenset({"repository"})


class UserTokens(Registry):
    """Who is known, and the access tokens and API tokens that were made."""

    def __init__(self, issued: IssuedTokens) -> None:
        """Make none yet."""
        super().__init__()
        self._issued = issued

    def issue_access_token(self, *, scope: Iterable[str] = _READING, expires_at: float | None = None) -> str:
        """Return the text of a new access token of a repository, project or workspace: what `AccessToken` takes.

        Args:
            scope: What it may do; few may read accounts.
            expires_at: Seconds since the epoch; None: never.
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
        """Return the text of a new API token: what `ApiToken` takes beside the first of the person's addresses.

        Args:
            person: Whose; by default `person`.
            scope: What it may do, by the names that OAuth has for it; by default what `client` may.
            expires_at: Seconds since the epoch; None: never.
        """
        owner = self.registration()
        allowed = owner.scope if scope is None else scope_set(scope)
        return self._issue("api_token", owner, person or self.person, allowed, expires_at).text

    def kill_access_token(self, access_token: str) -> None:
        """Let one access token die, of whatever kind, an API token too: what revoking it in the settings does."""
        (self._issued.access.get(access_token) or self._issued.user_tokens[access_token]).revoked = True

    def is_live(self, access_token: str) -> bool:
        """Tell whether the API takes this access token, or API token, now."""
        token = self._issued.access.get(access_token) or self._issued.user_tokens.get(access_token)
        return token is not None and self._issued.is_live(token)

    def git_accepts(self, username: str, password: str) -> bool:
        """Tell whether Git over HTTPS gets in with this pair; for a Git server of your own beside the fake."""
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
        # No sign-in, so not among the ledger's families.
        family = Family(number=0, client=owner, person=person, grant_type=kind, scope=scope)
        return self._issued.issue_user_token(family, math.inf if expires_at is None else expires_at)
