"""Checks lost sign-ins: R8, the sign-in is really lost; R9, no process could have saved it."""

import math

from bitbucket_auth_async.errors import LoginRequiredError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.testing.fake.issued_tokens import Family, RefreshToken
from tests.simulation.checks.evidence import Evidence
from tests.simulation.checks.limits import GRACE, MOMENT, REPAIR, SAVING, SHARED_READ
from tests.simulation.checks.server_state import fingerprint


class SignInChecks:
    """Judges the lost sign-ins of one history."""

    def __init__(self, evidence: Evidence) -> None:
        """Add what is found to *evidence*."""
        self._evidence = evidence
        self._world = evidence.world
        self._counts = evidence.world.journal.counts
        self._judged: set[int] = set()
        """Generations of the lost sign-ins that were judged already."""
        self._ended: set[int] = set()

    def ended(self, family: Family | None) -> None:
        """Record that a sign-in was ended on purpose."""
        if family is not None:
            self._ended.add(family.number)

    def login_required(self, asked_at: float, error: LoginRequiredError) -> None:
        """Judge an error that says that the sign-in is lost."""
        stored = self._evidence.stored
        if stored.renewable:
            since = stored.renewable_since
            if since is not None and since < asked_at - SHARED_READ:
                self._evidence.breaks(f"R8: the record holds a refresh token that works, but a caller gets {error!r}.")
            return
        record = stored.current
        if record is None or record.token is None or record.generation in self._judged:
            return
        if stored.generation_since > asked_at - SHARED_READ:
            return  # it may be about the sign-in before
        self._judged.add(record.generation)
        self._counts["sign-in lost"] += 1
        self._world.journal.tell("the sign-in is lost")
        self._check_loss(record.token, error)

    def _check_loss(self, token: Token, error: LoginRequiredError) -> None:
        access_tokens, family = self._evidence.access_tokens, self._evidence.server.family(token)
        if token.refresh_token is None:
            valid = self._evidence.server.accepts(token.access_token)
            valid = valid and access_tokens.seconds_left(token.access_token) > 1
            if valid and not self._world.wall_clocks.stepped and token.access_token not in access_tokens.rejected:
                self._evidence.breaks(f"R8: the access token is valid, but a caller gets {error!r}.")
        elif family is not None and family.number not in self._ended:
            began = self._world.since_start(min(each.issued_at for each in family.refresh))
            if began > self._evidence.stored.rolled_back_at:
                self._explain(token, family)

    def _explain(self, token: Token, family: Family) -> None:
        if any(entry.processed and entry.family == family.number for entry in self._evidence.requests.stragglers):
            self._counts["sign-in lost to a request that arrived after its timeout"] += 1
            return
        unsaved = [(each, by) for each in family.refresh if (by := self._due(each)) is not None]
        if not unsaved:
            self._evidence.breaks("R1: the sign-in is lost, although each answer was saved in time.")
        elif self._world.rules.strict:
            for each, by in unsaved:
                self._check_unsaved(each, by)
        else:
            self._check_unrepaired(token)

    def _due(self, token: RefreshToken) -> float | None:
        """Return when a token was due in the store: before its parent was claimed again; None: it was saved in time."""
        if token.parent is None:
            return None
        saved = self._evidence.stored.refresh_stored_at.get(fingerprint(token.text), math.inf)
        others = self._evidence.requests.presented.get(fingerprint(token.parent.text), ())
        issued_at = self._world.since_start(token.issued_at)
        by = min((each.claimed_at for each in others if each.at > issued_at + MOMENT), default=self._world.now())
        return by if saved > by else None

    def _check_unsaved(self, token: RefreshToken, by: float) -> None:
        """At a strict server each lost answer loses the sign-in; a fault must be the reason for the lost answer."""
        for request in self._evidence.requests.all:
            process = request.process
            if request.refresh == token.text and process.is_serving:
                without_fault = self._world.fault_log.seconds_without(process.number, by)
                if without_fault > SAVING:
                    self._evidence.breaks(
                        f"R2: {process.name} received a token and did not save it, although it had no fault."
                    )

    def _check_unrepaired(self, token: Token) -> None:
        """With a grace period, a lost answer is repaired by any process that has no fault for long enough."""
        known = self._evidence.server.refresh(fingerprint(token.refresh_token or ""))
        while known is not None and known.used_at is None:
            known = known.parent
        if known is None or known.used_at is None:
            return
        start = self._world.since_start(known.used_at)
        without_fault = self._world.fault_log.longest_without(start, min(start + GRACE, self._world.now()))
        self._counts["sign-in lost at a server with a grace period"] += 1
        if without_fault > REPAIR:
            self._evidence.breaks(
                f"R9: the sign-in is lost, although a process had no fault for {without_fault:.0f} s of the grace."
            )
