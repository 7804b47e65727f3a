"""What is true at the server, whatever the processes believe."""

from functools import lru_cache

from bitbucket_auth_async.oauth2 import tokens
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.testing.fake.issued_tokens import AccessToken, Family, RefreshToken
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket


@lru_cache(maxsize=10_000)
def fingerprint(secret: str) -> str:
    """Return a token's fingerprint; a history asks thousands of times for those of its few hundred tokens."""
    return tokens.fingerprint(secret)


class Truth:
    """The fake's tokens, found by text or fingerprint."""

    def __init__(self, fake: FakeBitbucket) -> None:
        """Read along."""
        self._fake = fake
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}

    def access(self, text: str) -> AccessToken | None:
        """Return an access token by its text."""
        if text not in self._access:
            self._read_all()
        return self._access.get(text)

    def refresh(self, name: str | None) -> RefreshToken | None:
        """Return a refresh token by its fingerprint."""
        if name is None:
            return None
        if name not in self._refresh:
            self._read_all()
        return self._refresh.get(name)

    def knows(self, access_token: str) -> bool:
        """Tell whether the server issued this."""
        return self.access(access_token) is not None

    def is_live(self, access_token: str) -> bool:
        """Tell whether the API takes this access token now."""
        return self._fake.is_live(access_token)

    def is_spendable(self, token: Token | None) -> bool:
        """Tell whether the token endpoint takes this token's refresh token now."""
        return token is not None and token.refresh_token is not None and self._fake.is_spendable(token.refresh_token)

    def successors(self, token: RefreshToken) -> list[RefreshToken]:
        """Return what was issued for a refresh token."""
        return [other for other in token.family.refresh if other.parent is token]

    def family(self, token: Token) -> Family | None:
        """Return the sign-in to which a token belongs."""
        issued = self.access(token.access_token)
        if issued is not None:
            return issued.family
        refresh = None if token.refresh_token is None else self.refresh(fingerprint(token.refresh_token))
        return None if refresh is None else refresh.family

    def _read_all(self) -> None:
        for family in self._fake.families:
            for access in family.access:
                self._access[access.text] = access
            for refresh in family.refresh:
                self._refresh.setdefault(fingerprint(refresh.text), refresh)
