"""The token in hand: its moments on this process's boot clock, which no stepped wall clock can move."""

from typing import NamedTuple

from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.renewal.timing import Deadlines, Timing, deadlines
from bitbucket_auth_async.runtime.clocks import jitter


class Held(NamedTuple):
    """The token to hand out, and its moments on the boot clock."""

    token: Token
    deadlines: Deadlines
    again_at: float
    """When looking at the store again is worth it."""


def held_since(token: Token, asked: float, timing: Timing) -> Held:
    """Hold a token that was asked for at *asked* on the boot clock, whatever the wall clock did since."""
    moments = deadlines(token, wall=token.issued_at, boot=asked, timing=timing, jitter=jitter())
    return Held(token, moments, moments.stale_at)


def held_now(token: Token, clock: Clock, timing: Timing) -> Held:
    """Hold a token of which only wall times are known, as one from a store."""
    moments = deadlines(token, wall=clock.wall(), boot=clock.boot(), timing=timing, jitter=jitter())
    return Held(token, moments, moments.stale_at)
