"""What the demo came to, and what of that should not be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the demo came to: from the books of the fake Bitbucket, and from what the workers wrote down."""

    made: int
    failed: int
    token_requests: int
    met_outage: int
    """Token requests that came while the token endpoint was down."""
    spent_twice: int
    """Refresh tokens spent again while their first holder lived."""
    repairs: int
    lost: int
    broken: tuple[str, ...] = ()
    """What kept the demo itself from running to its end."""

    def table(self) -> dict[str, str]:
        """Return the figures under the names that people read."""
        return {
            "requests made": f"{self.made:,}",
            "requests failed": f"{self.failed:,}",
            "token requests": f"{self.token_requests}",
            "of these, met by the outage": f"{self.met_outage}",
            "refresh tokens spent twice while their first holder lived": f"{self.spent_twice}",
            "repairs after the kill": f"{self.repairs}",
            "sign-ins lost": f"{self.lost}",
        }

    def problems(self) -> list[str]:
        """Return what should not be; of a run that was cut short, only why it was."""
        if self.broken:
            return [*self.broken]
        rules = {
            "no request was made": self.made == 0,
            "requests failed": self.failed > 0,
            "the outage met no token request, so it showed nothing": self.met_outage == 0,
            "a refresh token was spent twice while its first holder lived": self.spent_twice > 0,
            f"the kill was repaired {self.repairs} times, not once": self.repairs != 1,
            "the sign-in was lost": self.lost > 0,
        }
        return [problem for problem, holds in rules.items() if holds]
