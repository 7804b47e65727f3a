"""How an identity begins and ends: a sign-in by a grant or a token from elsewhere, and a sign-out."""

from functools import partial

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError
from bitbucket_auth_async.manager.cached_token import Held, held_now, held_since
from bitbucket_auth_async.manager.shared import Resources
from bitbucket_auth_async.manager.stored_record import Ledger
from bitbucket_auth_async.manager.token_cache import Hand
from bitbucket_auth_async.oauth2.grants import Grant
from bitbucket_auth_async.oauth2.tokens import Token, is_sendable
from bitbucket_auth_async.renewal.record import Issuer
from bitbucket_auth_async.renewal.settle import next_generation, signed_in, signed_out
from bitbucket_auth_async.runtime.clocks import jitter
from bitbucket_auth_async.telemetry.events import EventKind


class SignIns:
    """Begins and ends one identity; its caller sees to it that nothing else changes the record meanwhile."""

    __slots__ = ("_hand", "_key", "_ledger", "_shared")

    def __init__(self, shared: Resources, key: str, ledger: Ledger, hand: Hand) -> None:
        """Work on the same record and the same hand as the renewals."""
        self._shared = shared
        self._key = key
        self._ledger = ledger
        self._hand = hand

    async def exchange(self, grant: Grant) -> Held | None:
        """Trade a single-use grant for a token, and keep it as a new sign-in; None: a newer one stands.

        Raises:
            StoreError: The store can't be read, and nothing was spent.
            BitbucketAuthError: The token endpoint gave no token.
        """
        with self._shared.told("exchange", self._key):
            return await self._exchange(grant)

    async def _exchange(self, grant: Grant) -> Held | None:
        await self._ledger.flush()
        await self._ledger.load()
        async with self._shared.turn(sign_in=True):
            asked = self._shared.clock.boot()
            token = await self._shared.request(grant, key=self._key)
        return await self._begin(token, grant.grant_type, asked)

    async def adopt(self, token: Token) -> Held | None:
        """Keep a token from elsewhere as a new sign-in; None: a newer one stands.

        Raises:
            ConfigurationError: It is empty, or no header can hold it.
        """
        brought = [text for text in (token.access_token, token.refresh_token) if text]  # one of the two will do
        if not brought or not all(map(is_sendable, brought)):
            msg = "The token is empty, or has spaces, line breaks or letters beyond ASCII in it; copy it anew."
            raise ConfigurationError(msg)
        await self._ledger.flush()
        await self._ledger.load()
        return await self._begin(token, "refresh_token", None)

    async def logout(self) -> None:
        """Leave a tombstone; what was not saved yet is dropped with the rest.

        Raises:
            StoreError: It could not be written yet; it is kept to be written later.
        """
        self._hand.held = None
        wall = self._shared.clock.wall()
        try:
            await self._ledger.load()
        finally:
            generation = next_generation(self._ledger.record, wall, jitter=jitter())
            self._ledger.note(partial(signed_out, issuer=self._shared.issuer, generation=generation))
        await self._ledger.write()

    async def _begin(self, token: Token, grant_type: str, asked: float | None) -> Held | None:
        issuer = self._shared.issuer
        issuer = Issuer(token_endpoint=issuer.token_endpoint, client_id=issuer.client_id, grant_type=grant_type)
        clock, timing = self._shared.clock, self._shared.timing
        generation = next_generation(self._ledger.record, clock.wall(), jitter=jitter())
        self._ledger.note(partial(signed_in, token=token, issuer=issuer, generation=generation))
        held = held_now(token, clock, timing) if asked is None else held_since(token, asked, timing)
        saved = await saved_now(self._shared, self._key, self._ledger)
        record = self._ledger.record
        if saved and (record is None or record.token != token):
            self._hand.held = None  # R3: a sign-in or sign-out that came after ours stands
            return None
        return self._hand.keep(held)


async def saved_now(shared: Resources, key: str, ledger: Ledger) -> bool:
    """Write what was noted; False: it could not be, so the token is kept in memory, to be saved later."""
    try:
        await ledger.write()
    except BitbucketAuthError as error:  # a StoreError, or a ConfigurationError of a store that was closed
        shared.tell(EventKind.SAVE_FAILED, key, f"{error} The token is kept in memory, and saving goes on.")
        return False
    return True
