"""JwtGrant and its clients: Bitbucket's grant for existing Connect apps (no new apps since 2026-02-02).

Sources: https://developer.atlassian.com/cloud/bitbucket/oauth-2-connect,
https://developer.atlassian.com/cloud/bitbucket/understanding-jwt-for-apps/,
https://developer.atlassian.com/cloud/bitbucket/query-string-hash/
"""

import hashlib
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.grants import scope_parameter, scope_set


@dataclass(frozen=True, slots=True)
class JwtGrant:
    """A Connect app acts for itself in one installation; replayable, and Bitbucket issues no refresh token for it.

    `scope` narrows the app's scope. `repository`, a UUID, limits the token to one repository and drops permissions on
    the workspace.

    Raises:
        ConfigurationError: `repository` is empty, which would limit nothing.
    """

    grant_type: ClassVar[str] = "urn:bitbucket:oauth2:jwt"
    scope: AbstractSet[str] = frozenset()
    repository: str | None = None

    def __post_init__(self) -> None:
        """Accept the scope in any form, and store a frozenset."""
        object.__setattr__(self, "scope", scope_set(self.scope))
        if self.repository is not None and not self.repository.strip():
            msg = "repository: expected the UUID of a repository, found an empty string."
            raise ConfigurationError(msg)

    def parameters(self) -> Mapping[str, str]:
        """Return scope and repository, if they are set."""
        repository = {} if self.repository is None else {"bitbucket_repository": self.repository}
        return scope_parameter(self.scope) | repository


@dataclass(frozen=True, slots=True)
class JwtClient:
    """A Connect app with a given JWT, or with a callable that returns one for each request.

    The callable must not block, because it runs in the event loop.
    """

    client_id: str
    """The app key."""
    jwt: str | Callable[[], str] = field(repr=False)

    def __post_init__(self) -> None:
        """Check the app key.

        Raises:
            ConfigurationError: The id is empty.
        """
        if not self.client_id.strip():
            msg = "client_id is empty. Give the key of your app descriptor."
            raise ConfigurationError(msg)

    def proof(self, token_endpoint: str, *, now: float) -> tuple[Mapping[str, str], Mapping[str, str]]:  # noqa: ARG002  - the JWT is signed elsewhere
        """Return the Authorization header with the JWT, and no form fields.

        Raises:
            ConfigurationError: The JWT is empty, or has characters that a header can't hold.
        """
        return _header(self.jwt if isinstance(self.jwt, str) else self.jwt()), {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSigner:
    """A Connect app that signs a new JWT (HS256) for each request; needs PyJWT, the extra `jwt`.

    Raises:
        ConfigurationError: A value is empty, or the lifetime is not from 1 second to a day.
    """

    app_key: str
    """`key` of the app descriptor."""
    client_key: str
    """`clientKey` that Bitbucket sent with the installation; an account id does not work."""
    shared_secret: str = field(repr=False)
    """`sharedSecret` that Bitbucket sent with the installation."""
    lifetime: float = 180.0
    """Seconds for which a JWT is valid."""

    def __post_init__(self) -> None:
        """Check the values before the server does."""
        for name in ("app_key", "client_key", "shared_secret"):
            if not getattr(self, name).strip():
                msg = f"{name} is empty."
                raise ConfigurationError(msg)
        if not 1 <= self.lifetime <= 24 * 3600:
            msg = f"lifetime is {self.lifetime!r}: expected seconds, from 1 to 86400."
            raise ConfigurationError(msg)

    @property
    def client_id(self) -> str:
        """The app key."""
        return self.app_key

    def proof(self, token_endpoint: str, *, now: float) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the Authorization header with a JWT signed for this request, and no form fields.

        Raises:
            ConfigurationError: PyJWT is missing.
        """
        return _header(self.sign("POST", token_endpoint, now=now)), {}

    def sign(self, method: str, url: str, *, now: float) -> str:
        """Return a JWT for one request to Bitbucket; *now* is in seconds since the epoch.

        Raises:
            ConfigurationError: PyJWT is missing.
        """
        try:
            import jwt  # noqa: PLC0415  - an extra that only signing needs
        except ImportError as error:
            msg = "ConnectSigner needs PyJWT: pip install 'bitbucket-auth-async[jwt]'."
            raise ConfigurationError(msg) from error
        issued = int(now)
        claims = {
            "iss": self.app_key,
            "iat": issued,
            "exp": issued + int(self.lifetime),
            "qsh": query_string_hash(method, url),
            "sub": self.client_key,
        }
        return jwt.encode(claims, self.shared_secret, algorithm="HS256")


def query_string_hash(method: str, url: str) -> str:
    """Return the `qsh` claim: the SHA-256 of the canonical request, in hex."""
    return hashlib.sha256(canonical_request(method, url).encode()).hexdigest()


def canonical_request(method: str, url: str) -> str:
    """Return METHOD&path&query in Atlassian's canonical form."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/").replace("&", "%26") or "/"
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        # The query may contain the JWT itself, which can't be part of what it signs.
        if name != "jwt":
            values.setdefault(quote(name, safe="~"), []).append(quote(value, safe="~"))
    query = "&".join(f"{name}={','.join(sorted(found))}" for name, found in sorted(values.items()))
    return f"{method.upper()}&{path}&{query}"


def _header(jwt: str) -> Mapping[str, str]:
    if not jwt or not jwt.isascii() or not jwt.isprintable() or " " in jwt:
        msg = "jwt: expected the three parts of a JWT, printable ASCII without spaces."
        raise ConfigurationError(msg)
    # "JWT", not "Bearer"; the server is case-sensitive.
    return {"Authorization": f"JWT {jwt}"}
