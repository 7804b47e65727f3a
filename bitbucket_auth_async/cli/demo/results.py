"""The demo's results, and which of them are wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Counts from the log of the fake Bitbucket and from the workers' journals."""

    requests: int
    failed: int
    token_requests: int
    token_requests_in_outage: int
    """Token requests while the token endpoint was down."""
    spent_twice: int
    """Refresh tokens sent again while the first sender was alive."""
    repairs: int
    lost_sign_ins: int
    aborted_because: tuple[str, ...] = ()
    """Reasons why the demo ended early."""

    def table(self) -> dict[str, str]:
        """Return the results under readable names."""
        return {
            "requests": f"{self.requests:,}",
            "requests failed": f"{self.failed:,}",
            "token requests": f"{self.token_requests}",
            "of these, during the outage": f"{self.token_requests_in_outage}",
            "refresh tokens sent twice while the first sender was alive": f"{self.spent_twice}",
            "repairs after the kill": f"{self.repairs}",
            "sign-ins lost": f"{self.lost_sign_ins}",
        }

    def problems(self) -> list[str]:
        """Return the problems; for a run that ended early, only the reasons."""
        if self.aborted_because:
            return [*self.aborted_because]
        rules = {
            "no request was sent": self.requests == 0,
            "requests failed": self.failed > 0,
            "no token request met the outage, so the outage proved nothing": self.token_requests_in_outage == 0,
            "a refresh token was sent twice while the first sender was alive": self.spent_twice > 0,
            f"the kill was repaired {self.repairs} times instead of once": self.repairs != 1,
            "the sign-in was lost": self.lost_sign_ins > 0,
        }
        return [problem for problem, applies in rules.items() if applies]
