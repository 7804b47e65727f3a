"""Token: a token response (RFC 6749 section 5.1) as a value, and its form as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.json_types import describe_type, expect_list, expect_number, expect_str, is_list
from bitbucket_auth_async.runtime.argument_checks import check

_YEAR = 366 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token and the refresh token to renew it; its `repr` shows no secret, and it can be pickled."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    issued_at: float
    """Seconds since the epoch at which it was requested."""
    expires_at: float | None = None
    """Seconds since the epoch, counted from the request; None: the server did not say."""
    scope: frozenset[str] | None = None
    """The granted scope; None: the server did not say."""

    @classmethod
    def from_response(cls, answer: Mapping[str, Any], *, requested_at: float) -> Self:
        """Return the token of a token response; unknown fields are ignored (RFC 6749 section 5.1).

        Args:
            answer: The decoded JSON object.
            requested_at: Seconds since the epoch at which the request was sent; `expires_at` is never late.

        Raises:
            ConfigurationError: A field has the wrong type, or the bearer token is missing. The message names the field
                and its type, never its value.
        """
        check("from_response()", answer, "get", example="the decoded JSON object")
        token_type = answer.get("token_type", "bearer")
        if not isinstance(token_type, str) or token_type.lower() != "bearer":
            msg = "token_type: expected 'bearer', the only type that this package supports."
            raise ConfigurationError(msg)
        lifetime = _seconds(answer.get("expires_in"))
        return cls(
            access_token=_text(answer, "access_token"),
            refresh_token=_text(answer, "refresh_token") if answer.get("refresh_token") else None,
            issued_at=requested_at,
            expires_at=None if lifetime is None else requested_at + lifetime,
            scope=_scope(answer),
        )

    @property
    def lifetime(self) -> float | None:
        """Seconds from request to expiry; None: the server did not say."""
        return None if self.expires_at is None else self.expires_at - self.issued_at

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-compatible data, secrets included, that `from_plain` accepts."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
            "scope": None if self.scope is None else sorted(self.scope),
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        """Return the token that `to_plain` wrote.

        Raises:
            KeyError, TypeError, ValueError: *data* has another form.
        """
        scope, expires_at, refresh_token = data["scope"], data["expires_at"], data["refresh_token"]
        return cls(
            access_token=expect_str(data["access_token"]),
            refresh_token=None if refresh_token is None else expect_str(refresh_token),
            issued_at=expect_number(data["issued_at"]),
            expires_at=None if expires_at is None else expect_number(expires_at),
            scope=None if scope is None else frozenset(map(expect_str, expect_list(scope))),
        )


def fingerprint(secret: str) -> str:
    """Return an identifier of a token that does not reveal it: 128 bits of its SHA-256, in hex."""
    import hashlib  # noqa: PLC0415 - takes 3 ms, and only a renewal needs it

    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_sendable(value: str) -> bool:
    """Return whether a header can hold it: VSCHAR only (RFC 6749 appendix A.12), so no line break can be injected."""
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not is_sendable(value):
        msg = f"{name}: expected printable ASCII text without spaces, found {describe_type(value)}."
        raise ConfigurationError(msg)
    return value


def _seconds(value: object) -> float | None:
    """Return a lifetime from a number or a numeric string; None: it is missing or out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= _YEAR else None


def _scope(answer: Mapping[str, Any]) -> frozenset[str] | None:
    # Bitbucket sends "scope" since 2026-05-04; before it sent "scopes", as some of its backends still do.
    for name in ("scope", "scopes"):
        value = answer.get(name)
        if isinstance(value, str):
            return frozenset(value.split())
        if is_list(value) and all(isinstance(item, str) for item in value):
            return frozenset(" ".join(value).split())
    return None
