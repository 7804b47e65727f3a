"""Timing: the numbers of the protocol; and a token's deadlines for renewal and expiry."""

from dataclasses import dataclass
from enum import Enum, unique
from typing import NamedTuple

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.tokens import Token

SKEW = 30.0
"""Seconds by which the clocks of two hosts may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The numbers of the protocol, in seconds.

    Raises:
        ConfigurationError: A number is not positive, or the lease is too short to outlast a token request.
    """

    refresh_ahead: float | None = None
    """How long before expiry a token is renewed; None: max(5 minutes, a tenth of its lifetime). Never more than half
    the lifetime."""
    request: float = 30.0
    """The hard limit of one token request."""
    lease: float = 60.0
    """How long a claim is respected if nothing is known about its owner."""
    deadline: float = 90.0
    """How long `get_token` may take."""
    store: float = 10.0
    """The hard limit of one store operation."""
    closing: float = 35.0
    """How long `aclose` waits for running renewals and saves."""

    def __post_init__(self) -> None:
        """Refuse numbers that would break the promises."""
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                msg = f"Timing.{name} is {value!r}; give a number of seconds greater than 0."
                raise ConfigurationError(msg)
        if self.lease < 2 * self.request:
            msg = f"Timing.lease ({self.lease} s) must be at least twice Timing.request ({self.request} s)."
            raise ConfigurationError(msg)


@unique
class Age(Enum):
    """The age of a token."""

    FRESH = 0
    STALE = 1
    """Valid, and due for renewal."""
    EXPIRED = 2


class Deadlines(NamedTuple):
    """A token's deadlines on the boot clock of this process."""

    stale_at: float
    expires_at: float

    def age(self, boot: float) -> Age:
        """Return the token's age at *boot*."""
        if boot >= self.expires_at:
            return Age.EXPIRED
        return Age.FRESH if boot < self.stale_at else Age.STALE


_NEVER = float("inf")
_LONG_AGO = float("-inf")


def deadlines(token: Token, *, wall: float, boot: float, timing: Timing, jitter: float) -> Deadlines:
    """Convert wall times to boot times; *jitter* between 0 and 1 spreads the renewals of many processes."""
    lifetime = token.lifetime
    if token.expires_at is None or lifetime is None:
        return Deadlines(_NEVER, _NEVER)
    leeway = _leeway(lifetime)
    if token.issued_at > wall + leeway:  # R5: a token from the future means that a clock is wrong
        return Deadlines(_LONG_AGO, _LONG_AGO)
    ahead = timing.refresh_ahead if timing.refresh_ahead is not None else max(300.0, lifetime / 10)
    ahead = min(ahead, lifetime / 2) * (1 - 0.2 * jitter)
    left = token.expires_at - wall
    return Deadlines(boot + left - max(ahead, leeway), boot + left - leeway)


def valid_for(token: Token, wall: float) -> float:
    """Return how many seconds a token may still be handed out; 0 or less: it has expired."""
    if token.expires_at is None or token.lifetime is None:
        return _NEVER
    return token.expires_at - _leeway(token.lifetime) - wall


def _leeway(lifetime: float) -> float:
    """Return how many seconds before its expiry a token counts as expired (R5)."""
    return min(SKEW, lifetime / 10)
