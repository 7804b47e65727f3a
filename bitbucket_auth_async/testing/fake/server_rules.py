"""ServerRules: which Bitbucket the fake is, today's or an older or stricter one."""

from dataclasses import dataclass
from typing import Self

DAY = 24 * 3600.0


@dataclass(slots=True, kw_only=True)
class ServerRules:
    """What may be changed at any time; the defaults are what is known of Bitbucket Cloud late in 2026."""

    lifetime: float = 3600.0
    """Seconds for which an access token is good."""
    refresh_lifetime: float = 90 * DAY
    """Seconds after which an unused refresh token dies."""
    rotates: bool = True
    """Each refresh returns a new refresh token."""
    reuse_grace: float = 600.0
    """Seconds for which a refresh token still works after its first use."""
    reuse_revokes: bool = False
    """A refresh token used after its grace takes its whole family with it (RFC 9700 section 4.14.2)."""
    last_pair_wins: bool = False
    """A second use inside the grace kills the pair that the first use had given."""
    revoke_access_on_refresh: bool = False
    """The access tokens of a family die when it is refreshed."""
    token_length: int = 2600
    """Characters in an access or refresh token."""
    code_lifetime: float = 600.0
    """Seconds for which an authorization code is good."""
    legacy: bool = False
    """Before May 2026: `scopes`, implicit and password grants, and a refresh token for client credentials."""

    @classmethod
    def of(cls, *, legacy: bool = False, strict: bool = False) -> Self:
        """Return the rules of 2026, or those before it, and be strict about a second use if asked."""
        rules = cls(legacy=True, lifetime=7200.0, rotates=False, token_length=88) if legacy else cls()
        if strict:
            rules.rotates = True
            rules.reuse_grace = 0.0
            rules.reuse_revokes = True
        return rules
