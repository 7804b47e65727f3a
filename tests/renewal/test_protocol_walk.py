"""The pure protocol in random walks: processes claim, spend, lose answers, save late and die, on one record."""

from dataclasses import dataclass, field
from random import Random

import pytest

from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.renewal.decide import Decision, Spend, Use, Wait, decide
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.settle import (
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
from bitbucket_auth_async.renewal.timing import Age
from tests.support.record_values import NOW, PERSON, view

LEASE, REQUEST, GRACE = 60.0, 30.0, 600.0
LOST, NOT_SPENT = (Outage("", harmless=False), Interrupted()), (Outage("", harmless=True), Misconfigured())


@dataclass
class Server:
    """Rotates; a second spend in the grace returns another pair and revokes the first; a strict server revokes all."""

    grace: float
    issued: int = 0
    spent_at: dict[str, float] = field(default_factory=dict[str, float])
    heirs: dict[str, str] = field(default_factory=dict[str, str])
    dead: set[str] = field(default_factory=set[str])

    def issue(self, now: float) -> Token:
        self.issued += 1
        name = str(self.issued)
        return Token(access_token=f"access-{name}", refresh_token=name, issued_at=now, expires_at=now + 60)

    def spend(self, refresh: str, now: float) -> Outcome:
        again, since = refresh in self.spent_at, self.spent_at.setdefault(refresh, now)
        if again and self.grace == 0:
            self.dead.update(map(str, range(1, self.issued + 1)))
        if refresh in self.dead or now - since > self.grace:
            return Refused()
        self.dead.add(self.heirs.get(refresh, ""))
        token = self.issue(now)
        self.heirs[refresh] = token.refresh_token or ""
        return Renewed(token)


@dataclass
class Holder:
    """One process: the record it saw and when, the token it spends, and the outcome it has not saved yet."""

    name: str
    seen: Record | None = None
    version: int = 0
    since: float = 0.0
    spend: Spend | None = None
    claimed_at: float = 0.0
    sent_at: float | None = None
    outcome: Outcome | None = None


class Walk:
    """Three processes and a server, and the invariants after each step."""

    def __init__(self, seed: int, grace: float) -> None:
        self.random, self.grace = Random(seed), grace  # noqa: S311 - chooses steps, guards nothing
        self.now, self.version, self.made = NOW, 1, 0
        self.server = Server(grace)
        self.stored = Record(issuer=PERSON, generation=1, token=self.server.issue(NOW))
        self.holders = [self.born(), self.born(), self.born()]
        self.saved: list[Token] = []
        self.refused: set[str] = set()

    def born(self) -> Holder:
        self.made += 1
        return Holder(f"holder {self.made}")

    def put(self, record: Record) -> None:
        self.stored, self.version = record, self.version + 1

    def load(self, holder: Holder) -> None:
        if holder.version != self.version:
            holder.seen, holder.version, holder.since = self.stored, self.version, self.now

    def decision(self, holder: Holder, rejected: str | None) -> Decision:
        token = None if holder.seen is None else holder.seen.token
        age = Age.EXPIRED
        if token is not None and self.now - token.issued_at < 55:
            age = Age.FRESH if self.now - token.issued_at < 30 else Age.STALE
        lapsed = self.now - holder.since >= LEASE
        seen = view(age, owner=holder.name, wall=self.now, lapsed=lapsed, reuse_grace=self.grace, rejected=rejected)
        return decide(holder.seen, seen)

    def claim(self, holder: Holder, rejected: str | None = None) -> Decision:
        decision = self.decision(holder, rejected)
        if isinstance(decision, Spend) and holder.version == self.version:
            self.put(decision.record)
            self.load(holder)
            holder.spend, holder.claimed_at, holder.sent_at = decision, self.now, None
        return decision

    def send(self, holder: Holder, failure: Outcome | None) -> None:
        assert holder.spend is not None
        assert holder.spend.token is not None
        refresh = holder.spend.token.refresh_token or ""
        out = [
            other for other in self.holders if other is not holder and other.sent_at is not None and not other.outcome
        ]
        assert all(self.now - (other.sent_at or 0.0) > REQUEST for other in out), "R1"
        assert refresh not in self.refused, "R8"
        assert holder.spend.repeat or refresh not in self.server.spent_at or self.grace == 0, "R1: untold"
        holder.sent_at = self.now
        answer = None if failure in NOT_SPENT else self.server.spend(refresh, self.now)
        holder.outcome = failure or answer

    def save(self, holder: Holder) -> None:
        assert holder.spend is not None
        assert holder.outcome is not None
        attempt = Attempt.of(holder.spend, holder.name)
        mine = self.stored.claim is not None and self.stored.claim.owner == holder.name
        written = settle(self.stored, attempt=attempt, outcome=holder.outcome, wall=self.now, jitter=0.5)
        before = self.stored.token
        if written is not None:
            assert (
                mine
                or written.token in {before, None}
                or (before and fingerprint(before.refresh_token or ""))
                in {
                    attempt.spends,
                    self.stored.refused,
                }
            ), "R3"
            self.put(written)
        if isinstance(holder.outcome, Renewed) and attempt.generation == self.stored.generation:
            self.saved.append(holder.outcome.token)
        if isinstance(holder.outcome, Refused) and mine and holder.spend.token is not None:
            self.refused.add(holder.spend.token.refresh_token or "")
        holder.spend = holder.outcome = holder.sent_at = None
        self.load(holder)

    def go_on(self, holder: Holder) -> None:
        """Let one process take its next step: save, decide or send."""
        if holder.outcome is not None:
            self.save(holder)
        elif holder.spend is None:
            if self.random.random() < 0.8:
                self.load(holder)
            token = None if holder.seen is None else holder.seen.token
            self.claim(holder, token.access_token if token and self.random.random() < 0.3 else None)
        elif self.now - holder.claimed_at > LEASE - REQUEST:
            holder.spend = None
        else:
            self.send(holder, self.random.choice([None, None, *LOST, *NOT_SPENT]))

    def sign_in(self) -> None:
        token, generation = self.server.issue(self.now), self.stored.generation + 1
        written = signed_in(self.stored, token=token, issuer=PERSON, generation=generation)
        assert written is not None
        self.put(written)
        self.saved = [token]

    def step(self) -> None:
        chance = self.random.random()
        if chance < 0.6:
            self.go_on(self.random.choice(self.holders))
        elif chance < 0.94:
            self.now += self.random.choice([1.0, 5.0, 15.0, 61.0, 61.0])
        elif chance < 0.98:
            self.holders[self.random.randrange(3)] = self.born()
        elif chance < 0.99:
            self.now += self.random.choice([300.0, 700.0])
        else:
            self.sign_in()

    def check(self) -> None:
        kept = [self.stored.token, *self.stored.spares]
        gone = {token.refresh_token for token in self.saved if token not in kept}
        assert gone <= self.server.dead | self.server.spent_at.keys(), "R2: dropped, and still of use"
        token = self.stored.token
        about = None if token is None else fingerprint(token.refresh_token or "")
        assert self.stored.refused in {None, about}, "R8: a mark on something else"

    def end(self) -> None:
        """R9: all processes are killed; a new one repairs the sign-in, as far as the server allows."""
        heir = self.born()
        self.holders = [heir]
        self.load(heir)
        self.now += LEASE
        refreshes = [token.refresh_token or "" for token in (self.stored.token, *self.stored.spares) if token]
        spent_at, dead = self.server.spent_at, self.server.dead
        if self.grace:
            repairable = all(self.now - spent_at.get(each, self.now) < self.grace for each in refreshes)
        else:
            repairable = any(each not in spent_at and each not in dead for each in refreshes)
        decision = self.claim(heir)
        for _ in range(10):
            if not isinstance(decision, Spend):
                break
            self.send(heir, None)
            self.save(heir)
            decision = self.claim(heir)
        assert not isinstance(decision, Wait | Spend)
        assert isinstance(decision, Use) or not repairable, "R9"


@pytest.mark.parametrize("grace", [GRACE, 0.0], ids=["rotating", "strict"])
@pytest.mark.parametrize("seed", range(40))
def test_r1_r2_r3_r8_r9_hold_after_each_step_of_a_random_walk(seed: int, grace: float) -> None:
    for number in range(50):
        walk = Walk(seed * 1000 + number, grace)
        for _ in range(60):
            walk.step()
            walk.check()
        walk.end()
