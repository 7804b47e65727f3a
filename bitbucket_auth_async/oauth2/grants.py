"""What is presented for a token: each grant is a small value that states its parameters."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.runtime.argument_checks import check


class Grant(Protocol):
    """Anything that a token endpoint trades for a token."""

    grant_type: ClassVar[str]
    """The value of `grant_type` on the wire."""

    @property
    def scope(self) -> AbstractSet[str]:
        """What is asked for; empty: whatever the client's registration says."""
        ...

    def parameters(self) -> Mapping[str, str]:
        """Return the form fields beside `grant_type`."""
        ...


def scope_parameter(scope: AbstractSet[str]) -> dict[str, str]:
    """Return the `scope` field, space separated (commas give an error at Bitbucket), or nothing."""
    return {"scope": " ".join(sorted(scope))} if scope else {}


def scope_set(scope: Iterable[str]) -> frozenset[str]:
    """Return the names in *scope*, however they were given: a set, a list, or one text separated by space.

    Raises:
        ConfigurationError: There are no names; or one holds what RFC 6749 section 3.3 does not allow, or a comma.
    """
    check("scope", scope, "__iter__", example='a set such as {"account"}')
    names = frozenset((scope if isinstance(scope, str) else " ".join(scope)).split())
    for name in names:
        if not name.isascii() or not name.isprintable() or not {'"', "\\", ","}.isdisjoint(name):
            msg = f"scope {name!r}: separate scopes by space, or give a set of them; no comma, quote or backslash."
            raise ConfigurationError(msg)
    return names


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code that came back through the browser; good once (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""

    grant_type: ClassVar[str] = "authorization_code"
    code: str = field(repr=False)
    redirect_uri: str | None = None
    code_verifier: str | None = field(default=None, repr=False)
    scope: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        """Take the scope in any form, and keep a frozen set."""
        object.__setattr__(self, "scope", scope_set(self.scope))

    def parameters(self) -> Mapping[str, str]:
        """Return code, and redirect_uri and code_verifier where the authorization request had them."""
        fields = {"code": self.code}
        if self.redirect_uri is not None:
            fields["redirect_uri"] = self.redirect_uri
        if self.code_verifier is not None:
            fields["code_verifier"] = self.code_verifier
        return fields


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The client speaks for itself (RFC 6749 section 4.4); Bitbucket gives no refresh token for it."""

    grant_type: ClassVar[str] = "client_credentials"
    scope: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        """Take the scope in any form, and keep a frozen set."""
        object.__setattr__(self, "scope", scope_set(self.scope))

    def parameters(self) -> Mapping[str, str]:
        """Return the scope, if one is asked for."""
        return scope_parameter(self.scope)


@dataclass(frozen=True, slots=True)
class Password:
    """Name and password of a person (RFC 6749 section 4.3); Bitbucket Cloud withdrew it, and RFC 9700 warns."""

    grant_type: ClassVar[str] = "password"
    username: str
    password: str = field(repr=False)
    scope: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        """Take the scope in any form, and keep a frozen set."""
        object.__setattr__(self, "scope", scope_set(self.scope))

    def parameters(self) -> Mapping[str, str]:
        """Return username, password and, if asked for, the scope."""
        return {"username": self.username, "password": self.password, **scope_parameter(self.scope)}


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token (RFC 6749 section 6); where the server rotates it, each is good once."""

    grant_type: ClassVar[str] = "refresh_token"
    refresh_token: str = field(repr=False)
    scope: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        """Take the scope in any form, and keep a frozen set."""
        object.__setattr__(self, "scope", scope_set(self.scope))

    def parameters(self) -> Mapping[str, str]:
        """Return the refresh token and, to narrow it, the scope."""
        return {"refresh_token": self.refresh_token, **scope_parameter(self.scope)}
