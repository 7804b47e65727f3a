"""Checks each change of the stored record against R2, R3, R8 and R9."""

from collections.abc import Iterator
from itertools import islice

from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Claim, Record
from tests.simulation.checks.evidence import Evidence
from tests.simulation.checks.limits import REMEMBERED_RENEWALS
from tests.simulation.checks.server_state import fingerprint, name_of, refresh_fingerprint
from tests.simulation.checks.stored_records import StoredClaim
from tests.simulation.process import Process


class RecordChecks:
    """Judges the changes of one history's record."""

    def __init__(self, evidence: Evidence) -> None:
        """Add what is found to *evidence*."""
        self._evidence = evidence
        self._rules = evidence.world.rules
        self._server = evidence.server
        self._stored = evidence.stored
        self._refused = evidence.requests.refused

    def swapped(self, process: Process, before: Versioned | None, record: Record) -> None:
        """Judge a change that the store has just accepted."""
        old = None if before is None else before.record
        self._evidence.world.journal.tell(f"{process.name} writes: {_described(record)}")
        self._note_refusal(process, old, record)
        if record.claim is not None and self._stored.is_new_claim(record.claim):
            self._check_claim(process, old, record.claim, record.generation)
        if old is not None and record.generation < old.generation:
            self._evidence.breaks(f"R3: {process.name} replaces a newer sign-in.")
        if old is not None and record.generation == old.generation:
            self._check_dropped(process, old, record)
            self._check_added(process, old, record)
            self._check_replaced(process, old, record)
        if record.refused is not None and (record.token is None or record.refused != refresh_fingerprint(record.token)):
            self._evidence.breaks(f"R8: {process.name} keeps the refusal of a token that has left the record.")
        self._stored.put(record)

    def _note_refusal(self, process: Process, old: Record | None, record: Record) -> None:
        """A process that was refused and then clears its own claim has told all others."""
        if old is None or old.claim is None or old.claim.spends is None or record.claim is not None:
            return
        own = self._stored.owners.get(old.claim.owner) is process
        if own and self._refused.get(old.claim.spends) is process:
            self._stored.known_dead.add(old.claim.spends)

    def _check_claim(self, process: Process, old: Record | None, claim: Claim, generation: int) -> None:
        self._stored.owners[claim.owner] = process
        repeats = old is not None and old.claim is not None and old.claim.spends == claim.spends
        self._stored.claims[process] = StoredClaim(claim, self._evidence.world.now(), generation, repeats)
        if claim.spends is None:
            return
        known = self._server.refresh(claim.spends)
        name = "a token" if known is None else name_of(known.text)
        if claim.spends in self._stored.known_dead:
            self._evidence.breaks(f"R8: {process.name} claims {name}, which is known to be dead.")
        if self._rules.strict and known is not None and self._stored.renewable:
            successors = [fingerprint(each.text) for each in self._server.successors(known)]
            if any(each in self._stored.refresh_stored_at for each in successors):
                self._evidence.breaks(f"R9: {process.name} claims {name}, whose successor is in the store.")

    def _check_dropped(self, process: Process, old: Record, record: Record) -> None:
        """A refresh token that leaves the record is dead, or the record has a successor of it."""
        kept = {refresh_fingerprint(token) for token in (record.token, *record.spares)}
        ancestors = {ancestor for name in kept for ancestor in self._ancestors(name)}
        for token in (old.token, *old.spares):
            name = refresh_fingerprint(token)
            dead = name in self._stored.known_dead or name in self._refused
            if token is not None and name is not None and not dead and name not in kept | ancestors:
                lost = name_of(token.refresh_token or "")
                self._evidence.breaks(f"R2: {process.name} drops {lost}, but the record has no successor of it.")

    def _check_added(self, process: Process, old: Record, record: Record) -> None:
        """A token that joins the record belongs to its sign-in and has not been renewed since."""
        if old.signed_out and record.token is not None and not self._rules.app:
            self._evidence.breaks(f"R3: {process.name} undoes a sign-out.")
        current = None if record.token is None else self._server.family(record.token)
        ancestors = islice(self._ancestors(refresh_fingerprint(record.token)), 1, REMEMBERED_RENEWALS)
        renewed = {name for name in ancestors if self._spent_since_rollback(name)}
        for spare in record.spares:
            if spare in old.spares:
                continue
            if self._server.family(spare) is not current:
                self._evidence.breaks(f"R3: {process.name} keeps a token of another sign-in.")
            if refresh_fingerprint(spare) in renewed:
                self._evidence.breaks(f"R3: {process.name} keeps as a spare a token that has been renewed since.")

    def _check_replaced(self, process: Process, old: Record, record: Record) -> None:
        """A token replaces another if its process holds the claim, or if it comes after the other."""
        if record.token is None or old.token is None or record.token.access_token == old.token.access_token:
            return
        if old.claim is not None:
            rightful = self._stored.owners.get(old.claim.owner) is process
        elif record.token.refresh_token is None:
            rightful = record.token.issued_at > old.token.issued_at
        else:
            replaced = refresh_fingerprint(old.token)
            rightful = self._parent(refresh_fingerprint(record.token)) == replaced or old.refused == replaced
            rightful = rightful or not self._rules.rotates
        if not rightful:
            self._evidence.breaks(f"R3: {process.name} replaces a token with an older one.")

    def _ancestors(self, name: str | None) -> Iterator[str]:
        known = self._server.refresh(name)
        while known is not None and known.parent is not None:
            known = known.parent
            yield fingerprint(known.text)

    def _parent(self, name: str | None) -> str | None:
        return next(self._ancestors(name), None)

    def _spent_since_rollback(self, name: str) -> bool:
        """Return whether a store that was rolled back can still know that this was spent."""
        known = self._server.refresh(name)
        used_at = None if known is None else known.used_at
        return used_at is not None and self._evidence.world.since_start(used_at) > self._stored.rolled_back_at


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
