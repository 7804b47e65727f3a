"""Credentials that nobody renews, as sources for a bearer: access tokens of Bitbucket, API tokens, a Token as it is."""

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
    """A token that goes into the Authorization header as the password of somebody (RFC 7617)."""

    username: str

    @property
    def authorization(self) -> str:
        """The value of the header."""
        pair = f"{self.username}:{self.access_token}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


class StaticToken:
    """A TokenSource of one token, which nobody renews: it is handed out until it expires.

    Args:
        token: The token; one without `expires_at` is handed out for ever.
        clock: For tests.

    Raises:
        ConfigurationError: Its end is no moment.
    """

    __slots__ = ("_clock", "token")

    git_username: ClassVar[str] = ACCESS_TOKEN_USERNAME
    """The user name that goes with it in Git over HTTPS; the token is the password."""
    advice: ClassVar[str] = "Get another one."
    """Where the next one is made."""

    def __init__(self, token: Token, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Keep the token."""
        if not _is_moment(token.expires_at):
            msg = (
                f"expires_at: expected seconds since the epoch, found {describe_type(token.expires_at)}. "
                "datetime(2027, 3, 1, tzinfo=UTC).timestamp() is such a number; milliseconds are too many."
            )
            raise ConfigurationError(msg)
        self.token = token
        self._clock = clock

    @property
    def expires_at(self) -> float | None:
        """Seconds since the epoch; None: never, or nobody said."""
        return self.token.expires_at

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:  # noqa: ARG002 - there is no other
        """Return the token, after a 401 as well: there is no other.

        Raises:
            LoginRequiredError: It has expired.
        """
        if self.token.expires_at is not None and self._clock.wall() >= self.token.expires_at:
            msg = f"Expired: {self}. {self.advice}"
            raise LoginRequiredError(msg)
        return self.token

    def _name(self) -> str:
        return "token"

    def __str__(self) -> str:
        """Say what it is and until when it is good, without the secret."""
        if self.token.expires_at is None:
            return self._name()
        return f"{self._name()}, good until {datetime.fromtimestamp(self.token.expires_at, UTC):%Y-%m-%d %H:%M} UTC"

    def __repr__(self) -> str:
        """Show no secret."""
        return f"<{type(self).__name__}: {self}>"


class AccessToken(StaticToken):
    """A repository, project or workspace access token: a bearer, for REST and for Git as `x-token-auth`.

    https://support.atlassian.com/bitbucket-cloud/docs/repository-access-tokens/

    Args:
        text: The token as Bitbucket showed it.
        expires_at: Seconds since the epoch, as chosen when it was created; nothing tells it afterwards.
        clock: For tests.

    Raises:
        ConfigurationError: The text is no token: empty, or with spaces or line breaks in it.
    """

    __slots__ = ()
    advice = "Create another one in the settings of the repository, project or workspace, under Access tokens."

    def __init__(self, text: str, *, expires_at: float | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        """Check the text."""
        super().__init__(Token(access_token=_secret(text), issued_at=0.0, expires_at=expires_at), clock=clock)

    def _name(self) -> str:
        return "access token"


class ApiToken(StaticToken):
    """A person's API token: Basic with the e-mail address for REST, and for Git as `x-bitbucket-api-token-auth`.

    https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens/

    Args:
        email: The address of the person's Atlassian account; the Bitbucket user name does not do for REST.
        text: The token as Atlassian showed it.
        expires_at: Seconds since the epoch, as chosen when it was created (a year at most).
        clock: For tests.

    Raises:
        ConfigurationError: The address is none, or the text is no token.
    """

    __slots__ = ()
    git_username = API_TOKEN_USERNAME
    advice = "Create another one under Atlassian account settings, Security, API tokens."

    def __init__(self, email: str, text: str, *, expires_at: float | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        """Check both texts."""
        # RFC 7617 section 2: a user name has no colon and no control character.
        if not isinstance(email, str) or "@" not in email or ":" in email or " " in email or not email.isprintable():
            msg = "email: expected the e-mail address of the Atlassian account; a user name does not do for REST."
            raise ConfigurationError(msg)
        super().__init__(
            BasicToken(access_token=_secret(text), issued_at=0.0, expires_at=expires_at, username=email), clock=clock
        )

    @property
    def email(self) -> str:
        """The address that goes with it for REST."""
        return self.token.username if isinstance(self.token, BasicToken) else ""

    def _name(self) -> str:
        return f"API token of {self.email}"


def _is_moment(value: object) -> bool:
    """Tell whether it can be shown as a date; None is no end at all."""
    try:
        return value is None or 0 <= expect_number(value) < _YEAR_10000
    except (TypeError, ValueError):
        return False


def _secret(text: str) -> str:
    if not isinstance(text, str) or not is_sendable(text):
        msg = "The token is empty, or has spaces, line breaks or letters beyond ASCII in it; copy it anew."
        raise ConfigurationError(msg)
    return text
