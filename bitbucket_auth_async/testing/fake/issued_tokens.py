"""IssuedTokens: every code and token that the fake has issued, and whether it is still valid."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from bitbucket_auth_async.testing.fake.registry import Person, RegisteredClient
from bitbucket_auth_async.testing.fake.server_rules import ServerRules

_MIN_RANDOM = 32
"""Random characters of a token, even if `token_length` is less, so that tokens can't be guessed."""
_USER_TOKEN_LENGTH = 64


@dataclass(slots=True, kw_only=True)
class AccessToken:
    """One access token."""

    text: str = field(repr=False)
    family: "Family"
    scope: frozenset[str]
    expires_at: float
    revoked: bool = False
    scope_header: str = ""


@dataclass(slots=True, kw_only=True)
class RefreshToken:
    """One refresh token; `generation` counts from 1 within its family."""

    text: str = field(repr=False)
    family: "Family"
    generation: int
    issued_at: float
    used_at: float | None = None
    revoked: bool = False
    parent: "RefreshToken | None" = field(default=None, repr=False)


@dataclass(slots=True, kw_only=True)
class Family:
    """One sign-in, and all tokens issued for it."""

    number: int
    client: RegisteredClient
    person: Person | None
    """None if the client acts for itself."""
    grant_type: str
    scope: frozenset[str]
    revoked: bool = False
    access: list[AccessToken] = field(default_factory=list[AccessToken], repr=False)
    refresh: list[RefreshToken] = field(default_factory=list[RefreshToken], repr=False)

    @property
    def basic_users(self) -> tuple[str | None, ...]:
        """Basic user names that its tokens need: an API token the primary address, others None (a bearer)."""
        return self.person.emails[:1] if self.person is not None and self.grant_type == "api_token" else (None,)


@dataclass(slots=True, kw_only=True)
class Code:
    """One authorization code, and the request it was issued for."""

    client: RegisteredClient
    person: Person
    scope: frozenset[str]
    redirect_uri: str | None
    """None if the authorization request had none."""
    challenge: str | None
    issued_at: float
    used: Family | None = None


@dataclass(slots=True)
class IssuedTokens:
    """All codes and tokens, by their text."""

    rules: ServerRules
    wall: Callable[[], float]
    seed: str
    access: dict[str, AccessToken] = field(default_factory=dict[str, AccessToken], repr=False)
    user_tokens: dict[str, AccessToken] = field(default_factory=dict[str, AccessToken], repr=False)
    """Access tokens and API tokens that people created in Bitbucket's settings."""
    refresh: dict[str, RefreshToken] = field(default_factory=dict[str, RefreshToken], repr=False)
    codes: dict[str, Code] = field(default_factory=dict[str, Code], repr=False)
    families: list[Family] = field(default_factory=list[Family])

    def new_family(
        self, client: RegisteredClient, person: Person | None, grant_type: str, scope: frozenset[str]
    ) -> Family:
        """Start a new sign-in."""
        family = Family(number=len(self.families) + 1, client=client, person=person, grant_type=grant_type, scope=scope)
        self.families.append(family)
        return family

    def issue_access(self, family: Family, scope: frozenset[str]) -> AccessToken:
        """Issue an access token for this sign-in."""
        token = AccessToken(
            text=self._text("access", len(self.access)),
            family=family,
            scope=scope,
            expires_at=self.wall() + self.rules.lifetime,
            scope_header=", ".join(sorted(scope)),
        )
        self.access[token.text] = token
        family.access.append(token)
        return token

    def issue_user_token(self, family: Family, expires_at: float) -> AccessToken:
        """Issue an access token or API token, which can't be refreshed."""
        token = AccessToken(
            text=self._name(family.grant_type.replace("_", "-"), len(self.user_tokens), _USER_TOKEN_LENGTH),
            family=family,
            scope=family.scope,
            expires_at=expires_at,
            scope_header=", ".join(sorted(family.scope)),
        )
        self.user_tokens[token.text] = token
        return token

    def issue_refresh(self, family: Family, parent: RefreshToken | None = None) -> RefreshToken:
        """Issue a refresh token for this sign-in; *parent* is the token it replaces."""
        token = RefreshToken(
            text=self._text("refresh", len(self.refresh)),
            family=family,
            generation=1 if parent is None else parent.generation + 1,
            issued_at=self.wall(),
            parent=parent,
        )
        self.refresh[token.text] = token
        family.refresh.append(token)
        return token

    def issue_code(self, code: Code) -> str:
        """Store a code and return its text."""
        text = self._name("code", len(self.codes), 32)
        self.codes[text] = code
        return text

    def presented(self, authorization: str) -> AccessToken | None:
        """Return the token in an Authorization header, valid or not; an API token needs its Basic user name."""
        user, text = (None, authorization[7:]) if authorization.startswith("Bearer ") else _basic(authorization)
        token = self.access.get(text) or self.user_tokens.get(text)
        return token if token is not None and user in token.family.basic_users else None

    def is_live(self, token: AccessToken) -> bool:
        """Return whether the API accepts this access token now."""
        return not token.revoked and not token.family.revoked and self.wall() < token.expires_at

    def is_spendable(self, token: RefreshToken) -> bool:
        """Return whether the token endpoint accepts this refresh token now."""
        if token.revoked or token.family.revoked:
            return False
        if token.used_at is not None and self.rules.rotates:
            return self.wall() < token.used_at + self.rules.reuse_grace
        return self.wall() < token.issued_at + self.rules.refresh_lifetime

    def _text(self, kind: str, number: int) -> str:
        return self._name(kind, number, self.rules.token_length)

    def _name(self, kind: str, number: int, length: int) -> str:
        start = f"fake-{kind}-{number + 1}."
        rest = max(length - len(start), _MIN_RANDOM)
        return start + hashlib.shake_256(f"{self.seed}{start}".encode()).hexdigest(rest // 2 + 1)[:rest]


def _basic(authorization: str) -> tuple[str, str]:
    """Return user name and password (RFC 7617); both are empty for any other header."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except ValueError:  # invalid base64 or UTF-8, or characters beyond ASCII
        return "", ""
    user, _, password = pair.partition(":")
    return (user, password) if scheme == "Basic" else ("", "")
