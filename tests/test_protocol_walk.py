"""The pure protocol under random walks: holders that claim, spend, lose answers, save late and die, on one record."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.record import Record
from bitbucket_auth_async.renewal import Age, Decision, Fail, Spend, Use, decide
from bitbucket_auth_async.settlement import (
    Attempt,
    Interrupted,
    Misconfigured,
    Outage,
    Outcome,
    Refused,
    Renewed,
    settle,
    signed_in,
)
from tests.records import NOBODY, NOW, PERSON, view

LEASE, LIFETIME = 60.0, 1000.0
FAILURES = st.sampled_from([Outage("", harmless=False), Outage("", harmless=True), Interrupted(), Misconfigured()])
HOLDERS = st.integers(0, 2)


@dataclass
class Server:
    """Rotates refresh tokens; a second spend within the grace gives another pair and kills the one before."""

    grace: float
    issued: int = 0
    spent_at: dict[str, float] = field(default_factory=dict[str, float])
    heirs: dict[str, str] = field(default_factory=dict[str, str])
    dead: set[str] = field(default_factory=set[str])

    def issue(self, now: float) -> Token:
        self.issued += 1
        return Token(
            access_token=f"a{self.issued}", refresh_token=f"r{self.issued}", issued_at=now, expires_at=now + LIFETIME
        )

    def spend(self, refresh: str, now: float) -> Token | None:
        if refresh in self.dead or now - self.spent_at.setdefault(refresh, now) > self.grace:
            return None
        if refresh in self.heirs:
            self.dead.add(self.heirs[refresh])
            if self.grace == 0:
                self.dead.update(f"r{number}" for number in range(1, self.issued + 1))
                return None
        token = self.issue(now)
        self.heirs[refresh] = token.refresh_token or ""
        return token

    def spendable(self, token: Token) -> bool:
        return token.refresh_token not in self.dead and token.refresh_token not in self.spent_at


@dataclass
class Holder:
    """One process: what it saw and since when, what it spends, and what it has not saved yet."""

    seen: Record | None = None
    seen_version: int = 0
    since: float = 0.0
    spend: Spend | None = None
    outcome: Outcome | None = None


class ProtocolWalk(RuleBasedStateMachine):
    grace = 600.0

    def __init__(self) -> None:
        super().__init__()
        self.now, self.version, self.born = NOW, 1, 0
        self.server = Server(self.grace)
        self.names = ["h0", "h1", "h2"]
        self.holders = [Holder(), Holder(), Holder()]
        self.stored = Record(issuer=PERSON, generation=1, token=self.server.issue(NOW))
        self.refused: set[str] = set()

    def look(self, number: int) -> None:
        holder = self.holders[number]
        if holder.seen_version != self.version:
            holder.since = self.now
        holder.seen, holder.seen_version = self.stored, self.version

    def decision(self, number: int, **fields: Any) -> Decision:
        holder, token = self.holders[number], self.holders[number].seen and self.holders[number].seen.token  # type: ignore[union-attr]
        age = Age.EXPIRED
        if token is not None:
            gone = self.now - token.issued_at
            age = Age.FRESH if gone < 600 else Age.STALE if gone < 970 else Age.EXPIRED
        lapsed = self.now - holder.since >= LEASE
        seen = view(age, owner=self.names[number], issuer=NOBODY, wall=self.now, lapsed=lapsed, reuse_grace=self.grace)
        return decide(holder.seen, replace(seen, **fields))

    def store(self, record: Record) -> None:
        self.stored = record
        self.version += 1

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0, 300.0, 700.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.now += seconds
