"""What comes into the store, held against R2, R3, R8 and R9 at each change."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Claim, Record
from tests.simulation.spends import name_of
from tests.simulation.truth import fingerprint

if TYPE_CHECKING:
    from tests.simulation.judge import Judge
    from tests.simulation.process import Process


REMEMBERED = 4
"""So many renewals back a record knows what was spent, as promised, whatever the code has."""


class Landed(NamedTuple):
    """A claim that is in the store, and not used yet."""

    claim: Claim
    at: float
    generation: int
    again: bool
    """The claim before was to the same token."""


class Records:
    """The record of one fleet, change by change."""

    def __init__(self, judge: "Judge") -> None:
        """Begin with none."""
        self._judge = judge
        self._fleet = judge.fleet
        self.current: Record | None = None
        self.past: list[tuple[float, Record]] = []
        self.stored: dict[str, float] = {}
        """When an access token came into the store first."""
        self.successors: dict[str, float] = {}
        """The same of refresh tokens, by fingerprint, since the store last lost its memory."""
        self.marks: set[str] = set()
        """Refresh tokens of which the record has said that they are dead."""
        self.claims: dict[Process, Landed] = {}
        self.owners: dict[str, Process] = {}
        self.generation_since = 0.0
        self.hopeful_since: float | None = None
        """Since when there has been something to renew with, without a break; None: there is nothing."""

    def is_new(self, claim: Claim) -> bool:
        """Tell whether a claim is made, rather than kept or noted as lost."""
        before = None if self.current is None else self.current.claim
        return not claim.lost and (
            before is None or before.lost or (before.owner, before.since) != (claim.owner, claim.since)
        )

    def swapped(self, process: "Process", before: Versioned | None, record: Record) -> None:
        """Judge a change of the record that has just taken place."""
        old = None if before is None else before.record
        self._fleet.tell(f"{process.name} writes: {_described(record)}")
        self._noted(process, old, record)
        if record.claim is not None and self.is_new(record.claim):
            self._claimed(process, old, record.claim, record.generation)
        if old is not None and record.generation < old.generation:
            self._judge.breaks(f"R3: {process.name} replaces a newer sign-in.")
        if old is not None and record.generation == old.generation:
            self._dropped(process, old, record)
            self._came_late(process, old, record)
            self._replaced(process, old, record)
        if record.refused is not None and (record.token is None or record.refused != _print(record.token)):
            self._judge.breaks(f"R8: {process.name} leaves a mark on a token that is gone.")
        self.put(record)

    def put(self, record: Record | None) -> None:
        """Take over what the store has now, whoever put it there."""
        now = self._judge.now()
        tokens = () if record is None else (record.token, *record.spares)
        for token in tokens:
            if token is not None:
                self.stored.setdefault(token.access_token, now)
                self.successors.setdefault(_print(token) or "", now)
        if record is None or self.current is None or record.generation != self.current.generation:
            self.generation_since = now
        self.current = record
        if not self._fleet.setting.rotates:  # the server says anew that it is good
            self.marks.difference_update(
                {_print(token) for token in tokens} - {None if record is None else record.refused}
            )
        if record is not None:
            self.past.append((now, record))
            self.marks.update(() if record.refused is None else (record.refused,))
        if not self.hopeful:
            self.hopeful_since = None
        elif self.hopeful_since is None:
            self.hopeful_since = now

    def forget(self) -> None:
        """Take note that the store lost its memory, all of it or the newest of it."""
        self.successors.clear()
        self.marks.clear()
        self.hopeful_since = None

    @property
    def hopeful(self) -> bool:
        """Whether the record has something that the server would take."""
        record = self.current
        return record is not None and any(map(self._judge.server.is_spendable, (record.token, *record.spares)))

    def is_of_another_sign_in(self, token: Token) -> bool:
        """Tell whether a token was replaced by somebody who signed in anew."""
        record = self.current
        ours = None if record is None or record.token is None else self._judge.server.family(record.token)
        return ours is not None and self._judge.server.family(token) is not ours

    def _noted(self, process: "Process", old: Record | None, record: Record) -> None:
        """Who heard that a token is dead, and writes under its own claim, says so to all."""
        if old is None or old.claim is None or old.claim.spends is None or record.claim is not None:
            return
        mine = self.owners.get(old.claim.owner) is process
        if mine and self._judge.spends.refused.get(old.claim.spends) is process:
            self.marks.add(old.claim.spends)

    def _claimed(self, process: "Process", old: Record | None, claim: Claim, generation: int) -> None:
        self.owners[claim.owner] = process
        again = old is not None and old.claim is not None and old.claim.spends == claim.spends
        self.claims[process] = Landed(claim, self._judge.now(), generation, again)
        if claim.spends is None:
            return
        known = self._judge.server.refresh(claim.spends)
        name = "a token" if known is None else name_of(known.text)
        if claim.spends in self.marks:
            self._judge.breaks(f"R8: {process.name} is about to present {name}, which is known to be dead.")
        if self._fleet.setting.strict and known is not None and self.hopeful:
            heirs = [fingerprint(heir.text) for heir in self._judge.server.successors(known)]
            if any(heir in self.successors for heir in heirs):
                self._judge.breaks(f"R9: {process.name} is about to present {name}, whose successor is in the store.")

    def _dropped(self, process: "Process", old: Record, record: Record) -> None:
        kept = {_print(token) for token in (record.token, *record.spares)}
        forebears = {forebear for name in kept for forebear in self._forebears(name)}
        for token in (old.token, *old.spares):
            name = _print(token)
            dead = name in self.marks or name in self._judge.spends.refused
            if token is not None and name is not None and not dead and name not in kept | forebears:
                lost = name_of(token.refresh_token or "")
                self._judge.breaks(f"R2: {process.name} drops {lost}, and the record has no successor of it.")

    def _came_late(self, process: "Process", old: Record, record: Record) -> None:
        """What joins the record belongs to its sign-in, and has not been renewed since."""
        if old.signed_out and record.token is not None and not self._fleet.setting.app:
            self._judge.breaks(f"R3: {process.name} undoes a sign-out.")
        current = None if record.token is None else self._judge.server.family(record.token)
        renewed = {name for name in islice(self._forebears(_print(record.token)), 1, REMEMBERED) if self._known(name)}
        for spare in record.spares:
            if spare in old.spares:
                continue
            if self._judge.server.family(spare) is not current:
                self._judge.breaks(f"R3: {process.name} keeps a token of another sign-in.")
            if _print(spare) in renewed:
                self._judge.breaks(f"R3: {process.name} keeps as a spare what has been renewed since.")

    def _forebears(self, name: str | None) -> Iterator[str]:
        known = self._judge.server.refresh(name)
        while known is not None and known.parent is not None:
            known = known.parent
            yield fingerprint(known.text)

    def _known(self, name: str) -> bool:
        """Tell whether a store that has not lost its memory since can know that this was spent."""
        known = self._judge.server.refresh(name)
        used_at = None if known is None else known.used_at
        return used_at is not None and self._fleet.since_began(used_at) > self._judge.losses.amnesty

    def _parent(self, name: str | None) -> str | None:
        known = self._judge.server.refresh(name)
        return None if known is None or known.parent is None else fingerprint(known.parent.text)

    def _replaced(self, process: "Process", old: Record, record: Record) -> None:
        if record.token is None or old.token is None or record.token.access_token == old.token.access_token:
            return
        if old.claim is not None:
            rightful = self.owners.get(old.claim.owner) is process
        elif record.token.refresh_token is None:
            rightful = record.token.issued_at > old.token.issued_at
        else:
            rightful = self._parent(_print(record.token)) == _print(old.token) or old.refused == _print(old.token)
            rightful = rightful or not self._fleet.setting.rotates
        if not rightful:
            self._judge.breaks(f"R3: {process.name} puts a late token in the place of one that was saved later.")


def _print(token: Token | None) -> str | None:
    return None if token is None or token.refresh_token is None else fingerprint(token.refresh_token)


def _described(record: Record) -> str:
    token, claim = record.token, record.claim
    parts = [
        f"sign-in {record.generation % 10**9}",
        "signed out" * record.signed_out,
        "no token" if token is None else name_of(token.refresh_token or token.access_token),
        "" if claim is None else f"claimed{' and lost' * claim.lost}{', in doubt' * (claim.doubt_since is not None)}",
        f"{len(record.spares)} spare" * bool(record.spares),
        "refused" * (record.refused is not None),
        "" if record.rest is None else f"rest {record.rest.attempts}",
    ]
    return ", ".join(part for part in parts if part)
