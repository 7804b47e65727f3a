"""The numbers of the protocol, and a token's moments: when it is due for renewal, and when it ends."""

from dataclasses import dataclass
from enum import Enum, unique
from typing import NamedTuple

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.tokens import Token

SKEW = 30.0
"""Seconds by which the clocks of two hosts may differ without harm."""


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
    """How long a claim is respected while nothing is known of its owner."""
    deadline: float = 90.0
    """How long `get_token` makes a caller wait."""
    store: float = 10.0
    """The hard limit of one call to the store."""
    closing: float = 35.0
    """How long `aclose` waits for what is under way."""

    def __post_init__(self) -> None:
        """Refuse numbers under which the promises would not hold."""
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                msg = f"Timing.{name} is {value!r}: it takes seconds, more than 0."
                raise ConfigurationError(msg)
        if self.lease < 2 * self.request:
            msg = f"Timing.lease ({self.lease} s) must be twice Timing.request ({self.request} s) or more."
            raise ConfigurationError(msg)


@unique
class Age(Enum):
    """How a token stands."""

    FRESH = 0
    STALE = 1
    """Good, and due for renewal."""
    EXPIRED = 2


class Deadlines(NamedTuple):
    """One token's two moments, on the boot clock of the process that computed them."""

    stale_at: float
    expires_at: float

    def age(self, boot: float) -> Age:
        """Return how the token stands at *boot*."""
        if boot >= self.expires_at:
            return Age.EXPIRED
        return Age.FRESH if boot < self.stale_at else Age.STALE


_NEVER = float("inf")
_LONG_AGO = float("-inf")


def deadlines(token: Token, *, wall: float, boot: float, timing: Timing, jitter: float) -> Deadlines:
    """Turn wall time into boot time, once; *jitter* between 0 and 1 spreads the renewals of many processes."""
    lifetime = token.lifetime
    if token.expires_at is None or lifetime is None:
        return Deadlines(_NEVER, _NEVER)
    leeway = _leeway(lifetime)
    if token.issued_at > wall + leeway:  # R5: a record from the future tells of a clock that was wrong, here or there.
        return Deadlines(_LONG_AGO, _LONG_AGO)
    ahead = timing.refresh_ahead if timing.refresh_ahead is not None else max(300.0, lifetime / 10)
    ahead = min(ahead, lifetime / 2) * (1 - 0.2 * jitter)
    left = token.expires_at - wall
    return Deadlines(boot + left - max(ahead, leeway), boot + left - leeway)


def good_for(token: Token, wall: float) -> float:
    """Return for how many seconds more a token may be handed out; not positive: it may not."""
    if token.expires_at is None or token.lifetime is None:
        return _NEVER
    return token.expires_at - _leeway(token.lifetime) - wall


def _leeway(lifetime: float) -> float:
    """Return how many seconds before its end a token counts as expired (R5)."""
    return min(SKEW, lifetime / 10)
