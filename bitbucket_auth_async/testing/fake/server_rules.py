"""ServerRules: how the fake behaves, like today's Bitbucket or an older or stricter one."""

from dataclasses import dataclass
from typing import Self

DAY = 24 * 3600.0


@dataclass(slots=True, kw_only=True)
class ServerRules:
    """Settings that may be changed at any time; the defaults match Bitbucket Cloud in late 2026."""

    lifetime: float = 3600.0
    """Seconds for which an access token is valid."""
    refresh_lifetime: float = 90 * DAY
    """Seconds after which an unused refresh token expires."""
    rotates: bool = True
    """Each refresh returns a new refresh token."""
    reuse_grace: float = 600.0
    """Seconds for which a refresh token still works after its first use."""
    reuse_revokes: bool = False
    """A refresh token used after its grace period revokes its whole sign-in (RFC 9700 section 4.14.2)."""
    last_pair_wins: bool = False
    """A second use within the grace period revokes the pair that the first use returned."""
    revoke_access_on_refresh: bool = False
    """A refresh revokes the earlier access tokens of its sign-in."""
    token_length: int = 2600
    """Characters in an access or refresh token."""
    code_lifetime: float = 600.0
    """Seconds for which an authorization code is valid."""
    legacy: bool = False
    """Behave as before May 2026: `scopes`, implicit and password grants, a refresh token for client credentials."""

    @classmethod
    def of(cls, *, legacy: bool = False, strict: bool = False) -> Self:
        """Return the rules of late 2026 or of before May 2026, optionally strict about a second use."""
        rules = cls(legacy=True, lifetime=7200.0, rotates=False, token_length=88) if legacy else cls()
        if strict:
            rules.rotates = True
            rules.reuse_grace = 0.0
            rules.reuse_revokes = True
        return rules
