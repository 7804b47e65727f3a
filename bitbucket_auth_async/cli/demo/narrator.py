"""What the demo's events mean, in words for whoever watches it."""

from bitbucket_auth_async.cli.demo.workers import News
from bitbucket_auth_async.telemetry.events import ROUTINE

_WORDS = {
    "renewed": "renewed the token, and saved it for all",
    "kept_as_spare": "had its answer late, and kept that token as a spare",
    "outage_began": "meets the outage, and lives on the token that it has",
    "outage_goes_on": "tried again: still down",
    "outage_ended": "tried again, and was answered",
    "refused": "was told that its refresh token is dead",
    "login_required": "has nothing left to renew with: the sign-in is lost",
}


class Story:
    """Turns what workers report into sentences, knowing what came before."""

    def __init__(self) -> None:
        """Begin where nobody has a token yet."""
        self._greeted: set[str] = set()
        self._killed: tuple[str, float] | None = None
        self.repaired_after: float | None = None
        """Seconds from the kill to the moment when the sign-in was whole again."""

    def started(self, name: str) -> None:
        """Note that a process begins, or begins anew."""
        self._greeted.discard(name)

    def killed(self, name: str, at: float) -> None:
        """Note that a process was killed while its renewal was out."""
        self._killed = (name, at)

    def tell(self, news: News) -> list[str]:
        """Return what there is to say about it."""
        victim = self._killed
        if news.kind in ROUTINE:
            return []
        if news.kind == "adopted":
            first = news.who not in self._greeted
            self._greeted.add(news.who)
            return ["found the sign-in in the file" if first else "took over the newer token from the file"]
        if news.kind == "repeated":
            if victim is None or self.repaired_after is not None:
                return ["asks again with the same refresh token: the last answer was of no use"]
            return [f"found the claim that {victim[0]} left behind, and repeats its renewal"]
        if news.kind == "renewed" and victim is not None and self.repaired_after is None and news.at > victim[1]:
            self.repaired_after = news.at - victim[1]
            return [_WORDS["renewed"], f"repaired {self.repaired_after:.2f} s after the kill"]
        if news.kind == "failed":
            return [f"a request failed: {news.detail}"]
        return [_WORDS.get(news.kind, f"{news.kind.replace('_', ' ')}: {news.detail}")]
