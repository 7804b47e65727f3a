"""The grants that a token endpoint exchanges for a token; each is a value that knows its form fields."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.runtime.argument_checks import check


class Grant(Protocol):
    """Anything that a token endpoint exchanges for a token."""

    grant_type: ClassVar[str]
    """The value of `grant_type` on the wire."""

    @property
    def scope(self) -> AbstractSet[str]:
        """The requested scope; empty: all scopes of the client's registration."""
        ...

    def parameters(self) -> Mapping[str, str]:
        """Return the form fields in addition to `grant_type`."""
        ...


def scope_parameter(scope: AbstractSet[str]) -> dict[str, str]:
    """Return the `scope` field, separated by spaces (Bitbucket refuses commas), or no field."""
    return {"scope": " ".join(sorted(scope))} if scope else {}


def scope_set(scope: Iterable[str]) -> frozenset[str]:
    """Return the names in *scope*: a set, a list, or one string separated by spaces.

    Raises:
        ConfigurationError: *scope* is not iterable, or a name has a comma or another invalid character (RFC 6749
            section 3.3).
    """
    check("scope", scope, "__iter__", example='a set such as {"account"}')
    names = frozenset((scope if isinstance(scope, str) else " ".join(scope)).split())
    for name in names:
        if not name.isascii() or not name.isprintable() or not {'"', "\\", ","}.isdisjoint(name):
            msg = f"scope {name!r}: separate scopes by spaces, or give a set; no comma, quote or backslash."
            raise ConfigurationError(msg)
    return names


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """The code from a callback; it works once (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""

    grant_type: ClassVar[str] = "authorization_code"
    code: str = field(repr=False)
    redirect_uri: str | None = None
    code_verifier: str | None = field(default=None, repr=False)
    scope: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        """Accept the scope in any form, and store a frozenset."""
        object.__setattr__(self, "scope", scope_set(self.scope))

    def parameters(self) -> Mapping[str, str]:
        """Return code, and redirect_uri and code_verifier if the authorization request had them."""
        fields = {"code": self.code}
        if self.redirect_uri is not None:
            fields["redirect_uri"] = self.redirect_uri
        if self.code_verifier is not None:
            fields["code_verifier"] = self.code_verifier
        return fields


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The client acts for itself (RFC 6749 section 4.4); Bitbucket issues no refresh token for it."""

    grant_type: ClassVar[str] = "client_credentials"
    scope: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        """Accept the scope in any form, and store a frozenset."""
        object.__setattr__(self, "scope", scope_set(self.scope))

    def parameters(self) -> Mapping[str, str]:
        """Return the scope, if one is requested."""
        return scope_parameter(self.scope)


@dataclass(frozen=True, slots=True)
class Password:
    """A user's name and password (RFC 6749 section 4.3); Bitbucket Cloud withdrew it, and RFC 9700 forbids it."""

    grant_type: ClassVar[str] = "password"
    username: str
    password: str = field(repr=False)
    scope: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        """Accept the scope in any form, and store a frozenset."""
        object.__setattr__(self, "scope", scope_set(self.scope))

    def parameters(self) -> Mapping[str, str]:
        """Return username, password and, if one is requested, the scope."""
        return {"username": self.username, "password": self.password, **scope_parameter(self.scope)}


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token (RFC 6749 section 6); if the server rotates refresh tokens, each works once."""

    grant_type: ClassVar[str] = "refresh_token"
    refresh_token: str = field(repr=False)
    scope: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        """Accept the scope in any form, and store a frozenset."""
        object.__setattr__(self, "scope", scope_set(self.scope))

    def parameters(self) -> Mapping[str, str]:
        """Return the refresh token and, if a narrower one is requested, the scope."""
        return {"refresh_token": self.refresh_token, **scope_parameter(self.scope)}
