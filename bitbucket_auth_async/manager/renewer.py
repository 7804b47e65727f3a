"""One identity's renewal, step by step: the shell that loads, decides, claims, sends and settles."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from bitbucket_auth_async.errors import BitbucketAuthError, RecordError, StoreError, UnavailableError
from bitbucket_auth_async.manager.cached_token import Held, held_since
from bitbucket_auth_async.manager.shared import Resources
from bitbucket_auth_async.manager.sign_ins import SignIns, saved_now
from bitbucket_auth_async.manager.stored_record import Ledger
from bitbucket_auth_async.manager.token_cache import Hand
from bitbucket_auth_async.oauth2.grants import RefreshToken
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.decide import Decision, Fail, Spend, Use, View, Wait, decide, forced_from, resting
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.settle import (
    Attempt,
    Interrupted,
    Outage,
    Outcome,
    Refused,
    Renewed,
    outcome_of,
    settle,
)
from bitbucket_auth_async.renewal.timing import Age
from bitbucket_auth_async.runtime.clocks import jitter, sleep
from bitbucket_auth_async.runtime.process_identity import is_gone, this_owner
from bitbucket_auth_async.telemetry.events import EventKind

AT_ONCE = float("-inf")
"""The `again_at` of a token that is due for renewal, and was not in hand before."""
_FIRST_POLL = 0.02
_LONGEST_POLL = 1.0
_SLOWER = 1.3
"""So who waits for another's renewal learns of its end a seventh later than it came, on the average."""


class Need(NamedTuple):
    """Why a renewal runs: the access token that a 401 proved bad, if that is why."""

    rejected: str | None = None
    still_accepted: bool = False


class Renewer:
    """Does the renewals of one identity; its caller sees to it that one runs at a time."""

    __slots__ = ("_hand", "_key", "_owner", "_shared", "ledger", "sign_ins")

    def __init__(self, shared: Resources, key: str, *, held: Held | None = None, seen: Versioned | None = None) -> None:
        """Touch nothing yet; go on with the token in hand, and with the record last seen."""
        self._shared = shared
        self._key = key
        self.ledger = Ledger(shared.store, key, clock=shared.clock, limit=shared.timing.store, seen=seen)
        self._owner = this_owner()
        self._hand = Hand(shared, key, held)
        self.sign_ins = SignIns(shared, key, self.ledger, self._hand)

    @property
    def held(self) -> Held | None:
        """What is in hand."""
        return self._hand.held

    @property
    def claims(self) -> bool:
        """Whether a claim is in the record last seen, or may be: who made it, and since when, must not be forgotten."""
        record = self.ledger.record
        return self.ledger.unsure or (record is not None and record.claim is not None)

    @property
    def signed_out(self) -> bool:
        """Whether the record, as last seen, is a tombstone."""
        record = self.ledger.record
        return record is not None and record.signed_out

    def reborn(self) -> "Renewer":
        """Return one for a process that was forked: what the parent has not saved is the parent's to save."""
        return Renewer(self._shared, self._key, held=self.held)

    def rests_for(self) -> float:
        """Return the seconds until the next attempt that the record allows; 0 if it says nothing."""
        record = self.ledger.record
        return 0.0 if record is None else resting(record, self._shared.clock.wall()) or 0.0

    async def renew(self, need: Need) -> Held:
        """Return the token that is good now, having adopted or renewed it.

        Raises:
            LoginRequiredError: Nothing is left to renew with.
            StoreError: The store does not answer, so no refresh token may be spent.
            BitbucketAuthError: The token endpoint gave no token that is still good; see `retryable`.
        """
        with self._shared.told("renew", self._key):
            try:
                held = await self._renew(need)
            except StoreError as error:
                held = await self._replay_without_store(error)
            if self._shared.clock.boot() < held.deadlines.expires_at:
                return held
            # Else the next request would go out at once, and the one after that.
            late = UnavailableError("The token that came had expired on its way here.", status=200)
            self._shared.tell_failure(self._key, outcome_of(late), late)
            raise late

    async def _renew(self, need: Need) -> Held:
        await self.ledger.flush()
        decision = await self._first_decision(need)
        poll = _FIRST_POLL
        while True:
            if isinstance(decision, Use):
                if decision.token.access_token == need.rejected and not need.still_accepted:
                    self._tell_not_forced(decision.token)
                return self._hand.find(decision.token, decision.again_in)
            if isinstance(decision, Fail):
                raise decision.error
            if isinstance(decision, Wait):
                if poll == _FIRST_POLL:
                    self._tell(EventKind.CLAIM_WAITED, "Somebody else is renewing; we wait for what comes of it.")
                await sleep(self._shared.clock, poll * (0.5 + jitter()))
                self._shared.at_home()  # else closed: that does not wait for what another process does
                poll = min(poll * _SLOWER, _LONGEST_POLL)
                decision = self._decide(await self.ledger.load(), need)
                continue
            found = self._found(decision, need)
            if found is not None:
                return self._hand.find(found, AT_ONCE)  # R6: nobody waits; what is due is done beside the callers
            async with self._shared.turn():
                held = await self._claim_and_spend(decision, need)
            if held is not None:
                return held
            decision = self._decide(self.ledger.record, need)

    async def _first_decision(self, need: Need) -> Decision:
        """Decide on the remembered record if that leads straight to a claim: its swap tells if it was out of date."""
        if need.rejected is None and self.ledger.record is not None:
            decision = self._decide(self.ledger.record, need)
            if isinstance(decision, Spend):
                return decision
        return self._decide(await self.ledger.load(), need)

    def _found(self, spend: Spend, need: Need) -> Token | None:
        """Return the record's token if it is good and news to this process, which may have just begun."""
        token, held = spend.record.token, self.held
        if token is None or token.access_token == need.rejected or (held is not None and held.token == token):
            return None
        return None if self._hand.deadlines(token).age(self._shared.clock.boot()) is Age.EXPIRED else token

    def _decide(self, record: Record | None, need: Need) -> Decision:
        clock, owner = self._shared.clock, self._owner
        age, lapsed = Age.EXPIRED, False
        if record is not None and record.token is not None:
            age = self._hand.deadlines(record.token).age(clock.boot())
        if record is not None and record.claim is not None:
            lapsed = self.ledger.seen_for() >= self._shared.timing.lease or is_gone(
                record.claim.host, record.claim.process
            )
        view = View(
            owner=owner.id,
            host=owner.host,
            process=owner.process,
            issuer=self._shared.issuer,
            wall=clock.wall(),
            age=age,
            lapsed=lapsed,
            reuse_grace=self._shared.server.reuse_grace,
            rejected=need.rejected,
            still_accepted=need.still_accepted,
        )
        return decide(record, view)

    async def _claim_and_spend(self, spend: Spend, need: Need) -> Held | None:
        """Return the token that a decision to spend leads to; None: decide again."""
        claimed_at = self._shared.clock.boot()
        before = self.ledger.record
        if not await self.ledger.swap(spend.record):
            await self.ledger.load()
            return None
        theirs = None if before is None else before.claim
        if theirs is not None and theirs.owner != self._owner.id and not theirs.lost:
            self._tell(EventKind.CLAIM_LAPSED, "Whoever was renewing did not end it in time; we take over.")
        timing = self._shared.timing
        if self._shared.clock.boot() - claimed_at > timing.lease - timing.request:
            return None  # we were held up, and the answer might come after the lease: claim anew
        if spend.repeat:
            self._tell(
                EventKind.REPEATED, "The first answer may have been lost, so its refresh token is presented again."
            )
        attempt = Attempt.of(spend, self._owner.id)
        grant = self._shared.grant
        if spend.refresh_token is not None and spend.refresh_token.refresh_token is not None:
            grant = RefreshToken(spend.refresh_token.refresh_token)
        if grant is None:  # `decide` never spends what is not there
            msg = "There is neither a refresh token nor a grant to present."
            raise AssertionError(msg)
        # Should this task be torn down while the request is out, then this is what happened.
        self._note(attempt, Interrupted())
        asked = self._shared.clock.boot()
        try:
            token = await self._shared.request(grant, key=self._key)
        except BitbucketAuthError as error:
            await self._failed(attempt, error, need)
            return None
        if spend.refresh_token is not None:
            token = _completed(token, spend.refresh_token)
        return await self._renewed(attempt, token, asked)

    async def _renewed(self, attempt: Attempt, token: Token, asked: float) -> Held | None:
        self._shared.recovered(self._key)
        self._note(attempt, Renewed(token))
        held = held_since(token, asked, self._shared.timing)
        if not await saved_now(self._shared, self._key, self.ledger):
            return self._hand.keep(held)
        record = self.ledger.record
        if record is None or record.token == token:
            self._tell(EventKind.RENEWED, "The token was renewed.")
            return self._hand.keep(held)
        if token in record.spares:
            self._tell(EventKind.KEPT_AS_SPARE, "Our claim had lapsed, and the record is another's by now.")
            decision = self._decide(record, Need())
            return (
                self._hand.find(decision.token, decision.again_in)
                if isinstance(decision, Use)
                else self._hand.keep(held)
            )
        return None  # signed in or out anew meanwhile

    async def _failed(self, attempt: Attempt, error: BitbucketAuthError, need: Need) -> None:
        """Note what a failed request means; it returns if there may be another way, or the same once more at once."""
        outcome = outcome_of(error)
        self._note(attempt, outcome)
        self._shared.tell_failure(self._key, outcome, error)
        try:
            await self.ledger.flush()
        except StoreError as store_error:
            self._tell(EventKind.STORE_FAILED, str(store_error))
            raise error from store_error
        if isinstance(outcome, Refused) and attempt.spends is not None:
            return
        broken = isinstance(outcome, Outage) and outcome.broken and not self._shared.home.closed
        if not broken or not isinstance(self._decide(self.ledger.record, need), Spend):
            raise error

    async def _replay_without_store(self, error: StoreError) -> Held:
        """Let the client speak for itself although the store is down: a replayable grant costs nobody a sign-in."""
        grant, boot = self._shared.grant, self._shared.clock.boot()
        fresh = self.held is not None and self.held.deadlines.age(boot) is Age.FRESH
        if isinstance(error, RecordError) or grant is None or fresh:
            raise error
        self._tell(EventKind.STORE_FAILED, str(error))
        try:
            async with self._shared.turn():
                token = await self._shared.request(grant, key=self._key)
        except BitbucketAuthError as request_error:
            self._shared.tell_failure(self._key, outcome_of(request_error), request_error)
            raise
        self._shared.recovered(self._key)
        issuer = self._shared.issuer
        self._note(Attempt(owner=self._owner.id, generation=None, issuer=issuer, spends=None), Renewed(token))
        return self._hand.keep(held_since(token, boot, self._shared.timing))

    def _note(self, attempt: Attempt, outcome: Outcome) -> None:
        """Keep what happened until it is written."""
        self.ledger.note(
            partial(settle, attempt=attempt, outcome=outcome, wall=self._shared.clock.wall(), jitter=jitter())
        )

    def _tell_not_forced(self, token: Token) -> None:
        record = self.ledger.record
        age = self._shared.clock.wall() - token.issued_at
        least = 0.0 if record is None else forced_from(record, token)
        if 0 <= age < least:
            self._tell(
                EventKind.NOT_FORCED,
                f"The API refused a token that is {age:.0f} s old, which no other one is forced for before "
                f"{least:.0f} s: perhaps the endpoint does not take this kind of token.",
            )

    def _tell(self, kind: EventKind, detail: str) -> None:
        self._shared.tell(kind, self._key, detail)


def _completed(token: Token, spent: Token) -> Token:
    """Carry over what the answer to a refresh may leave out (RFC 6749 section 6)."""
    return replace(
        token,
        refresh_token=token.refresh_token or spent.refresh_token,
        scope=spent.scope if token.scope is None else token.scope,
    )
