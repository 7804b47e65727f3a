"""The judge: holds every send, swap and token handed out against the promises, and keeps what broke."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.record import Record
from bitbucket_auth_async.renewal import Timing

if TYPE_CHECKING:
    from bitbucket_auth_async.testing.simulation.fleet import Fleet
    from bitbucket_auth_async.testing.simulation.process import Process

_OK = 200
_LEASE = Timing().lease


class BrokenPromiseError(AssertionError):
    """A promise was broken; the text says which, and how."""


@dataclass(slots=True)
class Spend:
    """One token request, as the process that sent it knows it."""

    process: "Process"
    spent: str | None
    claimed_at: float
    answered: bool = False
    failed: bool = False
    """No usable answer came, or a refusal: this process holds no successor."""


class Judge:
    """Watches one fleet."""

    def __init__(self, fleet: "Fleet") -> None:
        """Begin with a clean slate."""
        self._fleet = fleet
        self.broken: list[str] = []
        self.spends: dict[str, list[Spend]] = {}
        self.parents: dict[str, str | None] = {}
        self.received: list[tuple[str, str | None]] = []
        self.stored: set[str] = set()
        self.counts: Counter[str] = Counter()

    def sending(self, process: "Process", request: Request) -> Spend:
        """R1: nobody else may hold, or be about to hold, the successor of what is spent."""
        secret = parse_qs(request.body.decode()).get("refresh_token", [None])[0]
        spent = None if secret is None else fingerprint(secret)
        spend = Spend(process, spent, process.last_swap_at)
        if spent is None:
            return spend
        now = self._fleet.clock.boot()
        for earlier in self.spends.setdefault(spent, []):
            lapsed = now - earlier.claimed_at >= _LEASE
            if not (earlier.failed or earlier.process.dead or lapsed):
                self._breaks(f"R1: {process.name} spends what {earlier.process.name} may have a successor of.")
            self.counts["second spend"] += 1
        self.spends[spent].append(spend)
        return spend

    def answered(self, spend: Spend, response: Response) -> None:
        """Note what an answer brought to a process that is alive."""
        try:
            answer = json.loads(response.body)
            access = answer["access_token"]
        except (ValueError, KeyError, TypeError):
            spend.failed = True
            return
        if response.status != _OK or not isinstance(access, str):
            spend.failed = True
            return
        spend.answered = True
        self.parents[access] = spend.spent
        self.received.append((access, answer.get("refresh_token")))

    def swapped(self, process: "Process", before: Versioned | None, record: Record) -> None:
        """R2, R3 and R8, at each change of the record."""
        for token in (record.token, *record.spares):
            if token is not None:
                self.stored.add(token.access_token)
        old = None if before is None else before.record
        if old is None:
            return
        if record.generation < old.generation:
            self._breaks(f"R3: {process.name} replaces a newer sign-in.")
        if record.generation != old.generation:
            return
        self._dropped(process, old, record)
        self._replaced(process, old, record)

    def _dropped(self, process: "Process", old: Record, record: Record) -> None:
        kept = {_print(token) for token in (record.token, *record.spares)}
        for token in (old.token, *old.spares):
            mark = _print(token)
            if mark is not None and mark not in kept and mark not in self.spends:
                self._breaks(f"R2: {process.name} drops a token that nobody has spent.")

    def _replaced(self, process: "Process", old: Record, record: Record) -> None:
        if record.token is None or old.token is None or record.token.access_token == old.token.access_token:
            return
        child = self.parents.get(record.token.access_token) in {_print(old.token), old.refused}
        rightful = old.claim is not None and old.claim.owner == process.owner
        if not child and not rightful and old.refused != _print(old.token):
            self._breaks(f"R3: {process.name} puts a late token in the place of one that was saved later.")
        if record.refused is not None and record.refused != _print(record.token):
            self._breaks(f"R8: {process.name} leaves a mark on a token that is gone.")

    def handed(self, process: "Process", token: Token) -> None:
        """R2 and R5, at each token that a caller gets."""
        self.counts["token handed out"] += 1
        if token.access_token not in self.stored and not process.save_failed:
            self._breaks(f"R2: {process.name} hands out a token that no store holds.")
        now = self._fleet.clock.wall()
        if not self._fleet.stepped and token.expires_at is not None and now >= token.expires_at:
            self._breaks(f"R5: {process.name} hands out a token that expired {now - token.expires_at:.1f} s ago.")

    def failed(self, process: "Process", error: BitbucketAuthError) -> None:
        """Count an error that a caller got; whether it was due is judged at the end."""
        self.counts[f"{process.number}: {type(error).__name__}"] += 1

    def at_the_end(self, record: Record | None, outcome: Token | BitbucketAuthError) -> None:
        """R2 and R8: with all mended, a sign-in that can be saved is saved, and nothing received is missing."""
        if isinstance(outcome, BitbucketAuthError):
            self.counts["sign-in lost"] += 1
            tokens = () if record is None else (record.token, *record.spares)
            saved = [token for token in tokens if token is not None and self._spendable(token.refresh_token)]
            if saved:
                self._breaks(f"R8: the record holds a token that still works, and yet: {outcome!r}.")
            if not self._fleet.excused():
                self._breaks(f"R9: the sign-in is lost without need: {outcome!r}.")
        elif not self._fleet.fake.is_live(outcome.access_token):
            self._breaks("R5: with all mended, the token handed out is not good.")

    def answers_lost(self) -> bool:
        """Tell whether a refresh token was spent, at the server, without its successor reaching anybody, or twice."""
        reached = self._fleet.fake.books.spends
        return any(
            reached[spent] > 1 or (reached[spent] == 1 and not any(spend.answered for spend in spends))
            for spent, spends in self.spends.items()
        )

    def _spendable(self, refresh_token: str | None) -> bool:
        return refresh_token is not None and self._fleet.fake.is_spendable(refresh_token)

    def _breaks(self, what: str) -> None:
        self.broken.append(f"{self._fleet.clock.boot() - self._fleet.began:7.1f} s  {what}")


def _print(token: Token | None) -> str | None:
    return None if token is None or token.refresh_token is None else fingerprint(token.refresh_token)
