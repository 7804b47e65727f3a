"""SignIns: begins an identity by a grant or a token from elsewhere, and ends it by a sign-out."""

from functools import partial

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.manager.stored_record import StoredRecord
from bitbucket_auth_async.manager.token_cache import CachedToken, TokenCache
from bitbucket_auth_async.oauth2.grants import Grant
from bitbucket_auth_async.oauth2.tokens import Token, is_sendable
from bitbucket_auth_async.renewal.record import Issuer
from bitbucket_auth_async.renewal.settle import next_generation, signed_in, signed_out
from bitbucket_auth_async.runtime.clocks import jitter


class SignIns:
    """Signs one identity in and out; the caller ensures that no renewal runs at the same time."""

    __slots__ = ("_cache", "_key", "_shared", "_stored")

    def __init__(self, shared: SharedResources, key: str, stored: StoredRecord, cache: TokenCache) -> None:
        """Use the same record and cache as the renewals."""
        self._shared = shared
        self._key = key
        self._stored = stored
        self._cache = cache

    async def exchange(self, grant: Grant) -> CachedToken | None:
        """Trade a single-use grant for a token and save it as a new sign-in; None: a newer sign-in stands.

        Raises:
            StoreError: The store can't be read; the grant was not spent.
            BitbucketAuthError: The token endpoint gave no token.
        """
        with self._shared.span("exchange", self._key):
            await self._stored.flush()
            await self._stored.load()
            async with self._shared.endpoint_slot(sign_in=True):
                requested_at = self._shared.clock.boot()
                token = await self._shared.request(grant, key=self._key)
            return await self._save(token, grant.grant_type, requested_at)

    async def adopt(self, token: Token) -> CachedToken | None:
        """Save a token from elsewhere as a new sign-in; None: a newer sign-in stands.

        Raises:
            ConfigurationError: The token is empty, or an HTTP header can't hold it.
        """
        given = [text for text in (token.access_token, token.refresh_token) if text]  # one of them is enough
        if not given or not all(map(is_sendable, given)):
            msg = "The token is empty or contains spaces, line breaks or non-ASCII characters. Copy it again."
            raise ConfigurationError(msg)
        await self._stored.flush()
        await self._stored.load()
        return await self._save(token, "refresh_token", None)

    async def logout(self) -> None:
        """Replace the record by a tombstone, and drop any pending change.

        Raises:
            StoreError: The tombstone could not be written yet; it stays pending.
        """
        self._cache.current = None
        wall = self._shared.clock.wall()
        try:
            await self._stored.load()
        finally:
            generation = next_generation(self._stored.record, wall, jitter=jitter())
            self._stored.keep_pending(partial(signed_out, issuer=self._shared.issuer, generation=generation))
        await self._stored.write_pending()

    async def _save(self, token: Token, grant_type: str, requested_at: float | None) -> CachedToken | None:
        ours = self._shared.issuer
        issuer = Issuer(token_endpoint=ours.token_endpoint, client_id=ours.client_id, grant_type=grant_type)
        generation = next_generation(self._stored.record, self._shared.clock.wall(), jitter=jitter())
        cached = self._cache.with_deadlines(token, requested_at)
        saved = await self._stored.save(partial(signed_in, token=token, issuer=issuer, generation=generation))
        record = self._stored.record
        if saved and (record is None or record.token != token):
            self._cache.current = None  # R3: a sign-in or sign-out that came after ours stands
            return None
        return self._cache.put(cached)
