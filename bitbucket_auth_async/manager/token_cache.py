"""TokenCache: the token that one identity hands out, and its deadlines on this process's boot clock."""

from typing import NamedTuple

from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.timing import Deadlines, deadlines
from bitbucket_auth_async.runtime.clocks import jitter
from bitbucket_auth_async.telemetry.events import EventKind


class CachedToken(NamedTuple):
    """A token and its deadlines on the boot clock, which no change of the wall clock moves."""

    token: Token
    deadlines: Deadlines
    recheck_at: float
    """Boot time at which the store should be read again."""


class TokenCache:
    """Holds one token at a time."""

    __slots__ = ("_key", "_shared", "current")

    def __init__(self, shared: SharedResources, key: str, current: CachedToken | None = None) -> None:
        """Start with the token that was cached before, if there was one."""
        self._shared = shared
        self._key = key
        self.current = current

    def with_deadlines(self, token: Token, requested_at: float | None = None) -> CachedToken:
        """Return *token* with its deadlines, without caching it.

        A token that was requested at *requested_at* on the boot clock ages by that clock alone. Any other token, as
        one from the store, is known by its wall times only.
        """
        clock = self._shared.clock
        wall, boot = (clock.wall(), clock.boot()) if requested_at is None else (token.issued_at, requested_at)
        moments = deadlines(token, wall=wall, boot=boot, timing=self._shared.timing, jitter=jitter())
        return CachedToken(token, moments, moments.stale_at)

    def deadlines(self, token: Token) -> Deadlines:
        """Return a token's deadlines; those of the cached token never change."""
        if self.current is not None and self.current.token == token:
            return self.current.deadlines
        return self.with_deadlines(token).deadlines

    def put_stored(self, token: Token, recheck_in: float | None) -> CachedToken:
        """Cache the record's token; *recheck_in* is in seconds, None means when the token is stale."""
        moments = self.deadlines(token)
        if self.current is None or self.current.token != token:
            self._shared.tell(EventKind.ADOPTED, self._key, "The store had a newer token.")
        recheck_at = moments.stale_at if recheck_in is None else self._shared.clock.boot() + recheck_in
        return self.put(CachedToken(token, moments, recheck_at))

    def put(self, cached: CachedToken) -> CachedToken:
        """Cache a token and return it; R9: the store is read again after a third of the server's grace at most.

        That includes a person's token without a refresh token, since a sign-in with one may have come since.
        """
        grace = self._shared.server.reuse_grace
        if grace > 0 and (cached.token.refresh_token is not None or self._shared.grant is None):
            cached = cached._replace(recheck_at=min(cached.recheck_at, self._shared.clock.boot() + grace / 3))
        if cached.token.refresh_token is not None and not self._shared.durable:
            self._shared.durable = True
            self._shared.tell(
                EventKind.NOT_DURABLE,
                self._key,
                "The refresh token is kept in memory only, so a restart loses the sign-in; give the manager a store.",
            )
        self.current = cached
        return cached
