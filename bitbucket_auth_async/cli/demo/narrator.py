"""Sentences for the events of the demo."""

from bitbucket_auth_async.cli.demo.worker_processes import WorkerEvent
from bitbucket_auth_async.telemetry.events import ROUTINE

_SENTENCES = {
    "renewed": "renewed the token and saved it for both processes",
    "kept_as_spare": "got its answer late, and kept that token as a spare",
    "outage_began": "meets the outage, and keeps using its valid token",
    "outage_goes_on": "tried again: still down",
    "outage_ended": "tried again, and got an answer",
    "refused": "got the answer that its refresh token is no longer valid",
    "login_required": "has nothing left to renew with: the sign-in is lost",
}


class Narrator:
    """Turns the workers' events into sentences; it remembers what happened before."""

    def __init__(self) -> None:
        """Start before any process has a token."""
        self._introduced: set[str] = set()
        self._killed: tuple[str, float] | None = None
        self.repaired_after: float | None = None
        """Seconds from the kill to the first token after it."""

    def started(self, name: str) -> None:
        """Note that a process starts or restarts."""
        self._introduced.discard(name)

    def killed(self, name: str, at: float) -> None:
        """Note that a process was killed during its renewal."""
        self._killed = (name, at)

    def tell(self, event: WorkerEvent) -> list[str]:
        """Return sentences for an event."""
        victim = self._killed
        if event.kind in ROUTINE:
            return []
        if event.kind == "adopted":
            first = event.worker not in self._introduced
            self._introduced.add(event.worker)
            return ["found the sign-in in the file" if first else "loaded the newer token from the file"]
        if event.kind == "repeated":
            if victim is None or self.repaired_after is not None:
                return ["sends the same refresh token again: the last answer was not usable"]
            return [f"found the claim of the killed {victim[0]}, and repeats its renewal"]
        if event.kind == "renewed" and victim is not None and self.repaired_after is None and event.at > victim[1]:
            self.repaired_after = event.at - victim[1]
            return [_SENTENCES["renewed"], f"repaired {self.repaired_after:.2f} s after the kill"]
        if event.kind == "failed":
            return [f"a request failed: {event.detail}"]
        return [_SENTENCES.get(event.kind, f"{event.kind.replace('_', ' ')}: {event.detail}")]
