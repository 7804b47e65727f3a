"""StaticToken, AccessToken and ApiToken: token sources for credentials without renewal."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from bitbucket_auth_async.bitbucket.git_usernames import ACCESS_TOKEN_USERNAME, API_TOKEN_USERNAME
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.oauth2.json_types import describe_type, expect_number
from bitbucket_auth_async.oauth2.tokens import Token, is_sendable
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK

_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicToken(Token):
    """A token that is sent as the password of a user (HTTP Basic, RFC 7617)."""

    username: str

    @property
    def authorization(self) -> str:
        """The value of the Authorization header."""
        pair = f"{self.username}:{self.access_token}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


class StaticToken:
    """A TokenSource that returns one token until it expires, without renewal.

    Args:
        token: The token; without `expires_at` it never expires.
        clock: For tests.

    Raises:
        ConfigurationError: `expires_at` is not a valid time.
    """

    __slots__ = ("_clock", "token")

    git_username: ClassVar[str] = ACCESS_TOKEN_USERNAME
    """The user name for Git over HTTPS; the token is the password."""
    advice: ClassVar[str] = "Get another token."
    """How to get the next token."""

    def __init__(self, token: Token, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Store the token."""
        if not _is_timestamp(token.expires_at):
            msg = (
                f"expires_at: expected seconds since the epoch, found {describe_type(token.expires_at)}. "
                "Use for example datetime(2027, 3, 1, tzinfo=UTC).timestamp(), not milliseconds."
            )
            raise ConfigurationError(msg)
        self.token = token
        self._clock = clock

    @property
    def expires_at(self) -> float | None:
        """Seconds since the epoch; None: never, or unknown."""
        return self.token.expires_at

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:  # noqa: ARG002 - there is no other token
        """Return the token, also after a 401: there is no other.

        Raises:
            LoginRequiredError: The token has expired.
        """
        if self.token.expires_at is not None and self._clock.wall() >= self.token.expires_at:
            msg = f"Expired: {self}. {self.advice}"
            raise LoginRequiredError(msg)
        return self.token

    def _name(self) -> str:
        return "token"

    def __str__(self) -> str:
        """Return kind and expiry, without the secret."""
        if self.token.expires_at is None:
            return self._name()
        return f"{self._name()}, valid until {datetime.fromtimestamp(self.token.expires_at, UTC):%Y-%m-%d %H:%M} UTC"

    def __repr__(self) -> str:
        """Return class, kind and expiry, without the secret."""
        return f"<{type(self).__name__}: {self}>"


class AccessToken(StaticToken):
    """A repository, project or workspace access token: a bearer for REST, and a password for Git.

    https://support.atlassian.com/bitbucket-cloud/docs/repository-access-tokens/

    Args:
        text: The token as Bitbucket showed it.
        expires_at: Seconds since the epoch, as chosen at its creation; Bitbucket does not show it later.
        clock: For tests.

    Raises:
        ConfigurationError: The text is not a token: empty, or with spaces, line breaks or non-ASCII characters.
    """

    __slots__ = ()
    advice = "Create another token in the settings of the repository, project or workspace, under Access tokens."

    def __init__(self, text: str, *, expires_at: float | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        """Check and store the token."""
        super().__init__(Token(access_token=_secret(text), issued_at=0.0, expires_at=expires_at), clock=clock)

    def _name(self) -> str:
        return "access token"


class ApiToken(StaticToken):
    """A user's API token: a password with the e-mail address for REST, and with `git_username` for Git.

    https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens/

    Args:
        email: The e-mail address of the Atlassian account; REST does not accept the Bitbucket user name.
        text: The token as Atlassian showed it.
        expires_at: Seconds since the epoch, as chosen at its creation (at most a year ahead).
        clock: For tests.

    Raises:
        ConfigurationError: The address is not valid, or the text is not a token.
    """

    __slots__ = ()
    git_username = API_TOKEN_USERNAME
    advice = "Create another token under Atlassian account settings, Security, API tokens."

    def __init__(self, email: str, text: str, *, expires_at: float | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        """Check and store address and token."""
        # RFC 7617 section 2: no colon and no control character in a user name.
        if not isinstance(email, str) or "@" not in email or ":" in email or " " in email or not email.isprintable():
            msg = "email: expected the e-mail address of the Atlassian account; REST does not accept a user name."
            raise ConfigurationError(msg)
        super().__init__(
            BasicToken(access_token=_secret(text), issued_at=0.0, expires_at=expires_at, username=email), clock=clock
        )

    @property
    def email(self) -> str:
        """The e-mail address of the Atlassian account."""
        return self.token.username if isinstance(self.token, BasicToken) else ""

    def _name(self) -> str:
        return f"API token of {self.email}"


def _is_timestamp(value: object) -> bool:
    """Return whether it is None (no expiry) or a time that a date can show."""
    try:
        return value is None or 0 <= expect_number(value) < _YEAR_10000
    except (TypeError, ValueError):
        return False


def _secret(text: str) -> str:
    if not isinstance(text, str) or not is_sendable(text):
        msg = "The token is empty, or has spaces, line breaks or non-ASCII characters. Copy it again."
        raise ConfigurationError(msg)
    return text
