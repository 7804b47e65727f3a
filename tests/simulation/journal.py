"""The journal of one history: its story, its counts and the broken promises."""

from collections import Counter
from collections.abc import Callable


class Journal:
    """Collects what happens in one history."""

    def __init__(self, now: Callable[[], float], *, keep_story: bool) -> None:
        """Start empty; *now* returns the seconds since the simulation's start."""
        self._now = now
        self._keep_story = keep_story
        self.story: list[str] = []
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []
        self.over = False
        """The history has ended; nothing that happens during the shutdown is judged."""

    def heading(self, line: str) -> None:
        """Add a line to the story as it is."""
        if self._keep_story:
            self.story.append(line)

    def tell(self, what: str) -> None:
        """Add a line to the story, with the time in front."""
        if self._keep_story:
            self.story.append(f"{self._now():7.1f} s      {what}")

    def breaks(self, what: str) -> None:
        """Record a broken promise."""
        if not self.over:
            self.broken.append(f"{self._now():7.1f} s  {what}")
            self.tell(f"BROKEN: {what}")
