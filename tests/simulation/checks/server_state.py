"""The tokens that the server has issued, and which of them it accepts."""

from functools import lru_cache

from bitbucket_auth_async.oauth2 import tokens
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.testing.fake.issued_tokens import AccessToken, Family, RefreshToken
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket


@lru_cache(maxsize=10_000)
def fingerprint(secret: str) -> str:
    """Return a token's fingerprint, cached: a history needs those of its few hundred tokens thousands of times."""
    return tokens.fingerprint(secret)


def refresh_fingerprint(token: Token | None) -> str | None:
    """Return the fingerprint of a token's refresh token, if it has one."""
    return None if token is None or token.refresh_token is None else fingerprint(token.refresh_token)


def name_of(secret: str) -> str:
    """Return the name of a token of the fake, as stories show it: `refresh-3`."""
    return secret.partition(".")[0].removeprefix("fake-") or "nothing"


class ServerState:
    """The fake server's tokens, found by text or fingerprint."""

    def __init__(self, fake: FakeBitbucket) -> None:
        """Read the tokens of *fake*."""
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
        """Return whether the server issued this access token."""
        return self.access(access_token) is not None

    def accepts(self, access_token: str) -> bool:
        """Return whether the API accepts this access token now."""
        return self._fake.is_live(access_token)

    def is_spendable(self, token: Token | None) -> bool:
        """Return whether the token endpoint accepts this token's refresh token now."""
        return token is not None and token.refresh_token is not None and self._fake.is_spendable(token.refresh_token)

    def successors(self, token: RefreshToken) -> list[RefreshToken]:
        """Return the refresh tokens that were issued for *token*."""
        return [other for other in token.family.refresh if other.parent is token]

    def family(self, token: Token) -> Family | None:
        """Return the sign-in that a token belongs to."""
        issued = self.access(token.access_token)
        if issued is not None:
            return issued.family
        refresh = self.refresh(refresh_fingerprint(token))
        return None if refresh is None else refresh.family

    def _read_all(self) -> None:
        for family in self._fake.families:
            for access in family.access:
                self._access[access.text] = access
            for refresh in family.refresh:
                self._refresh.setdefault(fingerprint(refresh.text), refresh)
