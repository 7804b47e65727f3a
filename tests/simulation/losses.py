"""Whether a lost sign-in is explained: R8 says that it must be true, R9 that it must be nobody's fault."""

import math
from typing import TYPE_CHECKING

from bitbucket_auth_async.errors import LoginRequiredError
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.testing.fake.issued_tokens import Family, RefreshToken
from tests.simulation.spends import MOMENT

if TYPE_CHECKING:
    from tests.simulation.judge import Judge

GRACE = 600.0
REPAIR = 430.0
"""Seconds in which a process in use that has no misfortune repairs what another left: a look each 200 s at the latest,
a lease of 60 s, rests of up to 75 s after outages, a token request of 30 s, callers who come every 25 s."""
_STALE = 12.0
"""Seconds for which what was read from the store may be on its way, and then be shared with those who ask next."""
_SAVING = 90.0
"""Seconds after which a process that has its store back has saved what it kept: a rest, and the store's limit."""


class Losses:
    """The sign-ins of one fleet that were lost."""

    def __init__(self, judge: "Judge") -> None:
        """Begin with none."""
        self._judge = judge
        self._told: set[int] = set()
        self._ended: set[int] = set()
        """Numbers of sign-ins that somebody ended on purpose."""
        self.amnesty = -1.0
        """When the store last lost its memory."""

    def end(self, family: Family | None) -> None:
        """Take note that somebody ended a sign-in on purpose."""
        if family is not None:
            self._ended.add(family.number)

    def login_required(self, asked_at: float, error: LoginRequiredError) -> None:
        """Judge an error that tells a caller that the sign-in is gone."""
        judge, record = self._judge, self._judge.records.current
        since = judge.records.hopeful_since
        if judge.records.hopeful:
            if since is not None and since < asked_at - _STALE:
                judge.breaks(f"R8: the record holds what still works, and yet: {error!r}.")
            return
        if record is None or record.token is None or record.generation in self._told:
            return
        if judge.records.generation_since > asked_at - _STALE:
            return  # it may be about the sign-in before
        self._told.add(record.generation)
        token, family = record.token, judge.server.family(record.token)
        judge.counts["sign-in lost"] += 1
        judge.fleet.tell("the sign-in is lost")
        if token.refresh_token is None:
            good = judge.server.is_live(token.access_token) and judge.good_for(token.access_token) > 1
            if good and not judge.stepped and token.access_token not in judge.rejected:
                judge.breaks(f"R8: the token is still good, and yet: {error!r}.")
        elif family is not None and family.number not in self._ended and self._began(family) > self.amnesty:
            self._explain(token, family)

    def _began(self, family: Family) -> float:
        return self._judge.fleet.since_began(min(token.issued_at for token in family.refresh))

    def _explain(self, token: Token, family: Family) -> None:
        judge = self._judge
        if any(entry.processed and entry.family == family.number for entry in judge.spends.stragglers):
            judge.counts["sign-in lost to a request that came after its time-out"] += 1
            return
        late = [(heir, by) for heir in family.refresh if (by := self._late(heir)) is not None]
        if not late:
            judge.breaks("R1: the sign-in is lost, although each answer of the server was in the store in time.")
        elif judge.fleet.setting.strict:
            for heir, by in late:
                self._unsaved(heir, by)
        else:
            self._unrepaired(token)

    def _late(self, heir: RefreshToken) -> float | None:
        """Return by when a token should have been in the store, if it was not: before its parent was claimed again."""
        if heir.parent is None:
            return None
        saved = self._judge.records.successors.get(fingerprint(heir.text), math.inf)
        others = self._judge.spends.presented.get(fingerprint(heir.parent.text), ())
        issued_at = self._judge.fleet.since_began(heir.issued_at)
        by = min((each.claimed_at for each in others if each.at > issued_at + MOMENT), default=self._judge.now())
        return by if saved > by else None

    def _unsaved(self, heir: RefreshToken, by: float) -> None:
        """A strict server turns each lost answer into a lost sign-in, but it must have been lost."""
        judge = self._judge
        for spend in judge.spends.all:
            if spend.refresh == heir.text and not spend.process.dead:
                fair = judge.fleet.weather.fair_for(spend.process.number, by)
                if spend.process.closing_since is None and fair > _SAVING:
                    judge.breaks(f"R2: {spend.process.name} had an answer, and nothing kept it from saving it.")

    def _unrepaired(self, token: Token) -> None:
        """With a grace, a lost answer is repaired by whoever has so long without misfortune."""
        judge = self._judge
        known = judge.server.refresh(fingerprint(token.refresh_token or ""))
        while known is not None and known.used_at is None:
            known = known.parent
        if known is None or known.used_at is None:
            return
        start = judge.fleet.since_began(known.used_at)
        fair = judge.fleet.weather.longest_fair(start, min(start + GRACE, judge.now()))
        judge.counts["sign-in lost, with a grace"] += 1
        if fair > REPAIR:
            judge.breaks(f"R9: the sign-in is lost, although some process was well for {fair:.0f} s of the grace.")
