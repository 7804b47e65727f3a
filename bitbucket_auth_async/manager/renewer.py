"""Renewer: loads the record, decides, claims, sends the token request and saves the answer."""

from dataclasses import replace
from functools import partial

from bitbucket_auth_async.errors import BitbucketAuthError, RecordError, StoreError, UnavailableError
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.manager.stored_record import Change, StoredRecord
from bitbucket_auth_async.manager.token_cache import CachedToken, TokenCache
from bitbucket_auth_async.oauth2.grants import Grant, RefreshToken
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.decide import (
    NOT_REJECTED,
    Decision,
    Fail,
    Rejection,
    Spend,
    Use,
    View,
    Wait,
    decide,
    least_age_to_force,
)
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
from bitbucket_auth_async.runtime.process_identity import is_gone, new_owner
from bitbucket_auth_async.telemetry.events import EventKind

RENEW_NOW = float("-inf")
"""The `recheck_at` of a stale token that was just found in the store."""
_FIRST_POLL = 0.02
_LONGEST_POLL = 1.0
_POLL_GROWTH = 1.3
"""The polling interval grows by this factor, so waiters notice a finished renewal about 15 % late on average."""


class Renewer:
    """Renews one identity's token; the caller ensures that one renewal runs at a time."""

    __slots__ = ("_key", "_owner", "_shared", "cache", "stored")

    def __init__(
        self,
        shared: SharedResources,
        key: str,
        *,
        cached: CachedToken | None = None,
        last_seen: Versioned | None = None,
    ) -> None:
        """Start with the token and the record that were known before; nothing is read yet."""
        self._shared = shared
        self._key = key
        self._owner = new_owner()
        self.stored = StoredRecord(shared, key, last_seen)
        self.cache = TokenCache(shared, key, cached)

    def for_forked_process(self) -> "Renewer":
        """Return a Renewer with an owner of its own; the parent process saves its unsaved changes itself."""
        return Renewer(self._shared, self._key, cached=self.cache.current)

    async def renew(self, rejection: Rejection) -> CachedToken:
        """Return a valid token, found in the store or renewed.

        Raises:
            LoginRequiredError: Nothing is left to renew with.
            StoreError: The store does not answer, so no refresh token may be spent.
            BitbucketAuthError: The token endpoint gave no valid token; see `retryable`.
        """
        try:
            cached = await self._renew_by_record(rejection)
        except StoreError as error:
            cached = await self._renew_without_store(error)
        if self._shared.clock.boot() < cached.deadlines.expires_at:
            return cached
        # Without an error the next request would follow at once, and then the next.
        late = UnavailableError("The new token had expired when it arrived.", status=200)
        self._shared.tell_failure(self._key, outcome_of(late), late)
        raise late

    async def _renew_by_record(self, rejection: Rejection) -> CachedToken:
        await self.stored.flush()
        decision: Decision | None = None
        if rejection.access_token is None and self.stored.record is not None:
            decision = self._decide(rejection)
        if not isinstance(decision, Spend):  # an outdated record makes the claim's swap fail, but nothing else
            await self.stored.load()
            decision = self._decide(rejection)
        poll = _FIRST_POLL
        while True:
            if isinstance(decision, Use):
                self._tell_if_not_forced(decision.token, rejection)
                return self.cache.put_stored(decision.token, decision.recheck_in)
            if isinstance(decision, Fail):
                raise decision.error
            if isinstance(decision, Wait):
                poll = await self._wait_for_claim(poll)
            elif (unseen := self._unseen_token(decision.record, rejection)) is not None:
                return self.cache.put_stored(unseen, RENEW_NOW)  # R6: callers get it now, and a renewal follows
            else:
                async with self._shared.endpoint_slot():
                    cached = await self._claim_and_spend(decision, rejection)
                if cached is not None:
                    return cached
            decision = self._decide(rejection)

    def _decide(self, rejection: Rejection) -> Decision:
        """Decide about the record as last seen."""
        shared, record, owner = self._shared, self.stored.record, self._owner
        age, lapsed = Age.EXPIRED, False
        if record is not None and record.token is not None:
            age = self.cache.deadlines(record.token).age(shared.clock.boot())
        if record is not None and record.claim is not None:
            seen_for_a_lease = self.stored.unchanged_for() >= shared.timing.lease
            lapsed = seen_for_a_lease or is_gone(record.claim.host, record.claim.process)
        view = View(
            owner=owner.id,
            host=owner.host,
            process=owner.process,
            issuer=shared.issuer,
            wall=shared.clock.wall(),
            age=age,
            lapsed=lapsed,
            reuse_grace=shared.server.reuse_grace,
            rejection=rejection,
        )
        return decide(record, view)

    async def _wait_for_claim(self, poll: float) -> float:
        """Sleep about *poll* seconds and load the record; return the next interval."""
        if poll == _FIRST_POLL:
            self._tell(EventKind.CLAIM_WAITED, "Another manager is renewing this token; waiting for the result.")
        await sleep(self._shared.clock, poll * (0.5 + jitter()))
        self._shared.bind_to_loop()  # raises once closed: closing does not wait for the claim of another process
        await self.stored.load()
        return min(poll * _POLL_GROWTH, _LONGEST_POLL)

    def _unseen_token(self, record: Record, rejection: Rejection) -> Token | None:
        """Return the record's token if it is valid and not cached yet, as in a process that has just started."""
        token, cached = record.token, self.cache.current
        if token is None or token.access_token == rejection.access_token:
            return None
        if cached is not None and cached.token == token:
            return None
        return None if self.cache.deadlines(token).age(self._shared.clock.boot()) is Age.EXPIRED else token

    async def _claim_and_spend(self, spend: Spend, rejection: Rejection) -> CachedToken | None:
        """Claim, send the token request and save the new token; None: decide again."""
        if not await self._claim(spend.record):
            return None
        if spend.repeat:
            self._tell(EventKind.REPEATED, "The refresh token is sent again, since the first answer may be lost.")
        attempt = Attempt.of(spend, self._owner.id)
        # In case this task is cancelled during the request.
        self.stored.keep_pending(self._settling(attempt, Interrupted()))
        requested_at = self._shared.clock.boot()
        try:
            token = await self._shared.request(self._grant_of(spend), key=self._key)
        except BitbucketAuthError as error:
            await self._settle_failure(attempt, error, rejection)
            return None
        if spend.token is not None:
            token = _completed(token, spend.token)
        return await self._save_token(attempt, token, requested_at)

    async def _claim(self, claimed: Record) -> bool:
        """Swap in the record with our claim; False: decide again."""
        began, before, timing = self._shared.clock.boot(), self.stored.record, self._shared.timing
        if not await self.stored.swap(claimed):
            await self.stored.load()
            return False
        lapsed = None if before is None else before.claim
        if lapsed is not None and lapsed.owner != self._owner.id and not lapsed.lost:
            self._tell(EventKind.CLAIM_LAPSED, "The claim of another manager has lapsed; taking over its renewal.")
        # After a longer delay the answer might come when our lease is over, so claim again.
        return self._shared.clock.boot() - began <= timing.lease - timing.request

    def _grant_of(self, spend: Spend) -> Grant:
        if spend.token is not None and spend.token.refresh_token is not None:
            return RefreshToken(spend.token.refresh_token)
        if self._shared.grant is None:
            msg = "decide() asked for a grant that does not exist."
            raise AssertionError(msg)
        return self._shared.grant

    async def _save_token(self, attempt: Attempt, token: Token, requested_at: float) -> CachedToken | None:
        """Save a new token and return the one to hand out; None: decide again."""
        self._shared.tell_answered(self._key)
        cached = self.cache.with_deadlines(token, requested_at)
        if not await self.stored.save(self._settling(attempt, Renewed(token))):
            return self.cache.put(cached)
        record = self.stored.record
        if record is None or record.token == token:
            self._tell(EventKind.RENEWED, "The token was renewed.")
            return self.cache.put(cached)
        if token in record.spares:
            self._tell(EventKind.KEPT_AS_SPARE, "Our claim had lapsed and another manager renewed the token.")
            decision = self._decide(NOT_REJECTED)
            if isinstance(decision, Use):
                return self.cache.put_stored(decision.token, decision.recheck_in)
            return self.cache.put(cached)
        return None  # a sign-in or a sign-out came in between

    async def _settle_failure(self, attempt: Attempt, error: BitbucketAuthError, rejection: Rejection) -> None:
        """Save a failure; return if another attempt may be made now, else raise *error*."""
        outcome = outcome_of(error)
        self.stored.keep_pending(self._settling(attempt, outcome))
        self._shared.tell_failure(self._key, outcome, error)
        try:
            await self.stored.flush()
        except StoreError as store_error:
            self._tell(EventKind.STORE_FAILED, str(store_error))
            raise error from store_error
        if isinstance(outcome, Refused) and attempt.spends is not None:
            return
        broken = isinstance(outcome, Outage) and outcome.broken and not self._shared.binding.closed
        if not broken or not isinstance(self._decide(rejection), Spend):
            raise error

    async def _renew_without_store(self, error: StoreError) -> CachedToken:
        """Renew by a replayable grant although the store is down; that can't cost a sign-in."""
        shared, cached, requested_at = self._shared, self.cache.current, self._shared.clock.boot()
        fresh = cached is not None and cached.deadlines.age(requested_at) is Age.FRESH
        if isinstance(error, RecordError) or shared.grant is None or fresh:
            raise error
        self._tell(EventKind.STORE_FAILED, str(error))
        try:
            async with shared.endpoint_slot():
                token = await shared.request(shared.grant, key=self._key)
        except BitbucketAuthError as request_error:
            shared.tell_failure(self._key, outcome_of(request_error), request_error)
            raise
        shared.tell_answered(self._key)
        attempt = Attempt(owner=self._owner.id, generation=None, issuer=shared.issuer, spends=None)
        self.stored.keep_pending(self._settling(attempt, Renewed(token)))
        return self.cache.put(self.cache.with_deadlines(token, requested_at))

    def _settling(self, attempt: Attempt, outcome: Outcome) -> Change:
        """Return the change that writes an outcome into the record."""
        return partial(settle, attempt=attempt, outcome=outcome, wall=self._shared.clock.wall(), jitter=jitter())

    def _tell_if_not_forced(self, token: Token, rejection: Rejection) -> None:
        if token.access_token != rejection.access_token or rejection.still_accepted:
            return
        record = self.stored.record
        age = self._shared.clock.wall() - token.issued_at
        least_age = 0.0 if record is None else least_age_to_force(record, token)
        if 0 <= age < least_age:
            self._tell(
                EventKind.NOT_FORCED,
                f"The API refused a token that is {age:.0f} s old; no renewal is forced before {least_age:.0f} s. "
                "The endpoint may not accept this kind of token.",
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
