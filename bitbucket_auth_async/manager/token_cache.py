"""What one identity has in hand: the token, its moments, and when to look at the store again."""

from bitbucket_auth_async.manager.cached_token import Held, held_now
from bitbucket_auth_async.manager.shared import Resources
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.timing import Deadlines
from bitbucket_auth_async.telemetry.events import EventKind


class Hand:
    """Holds one token at a time."""

    __slots__ = ("_key", "_shared", "held")

    def __init__(self, shared: Resources, key: str, held: Held | None) -> None:
        """Go on with what was in hand before."""
        self._shared = shared
        self._key = key
        self.held = held

    def find(self, token: Token, again_in: float | None) -> Held:
        """Take over the token of the record; one that is held already keeps its deadlines."""
        held = self.held
        if held is not None and held.token == token:
            moments = held.deadlines
        else:
            moments = self.deadlines(token)
            self._shared.tell(EventKind.ADOPTED, self._key, "The store had a newer token.")
        again_at = moments.stale_at if again_in is None else self._shared.clock.boot() + again_in
        return self.keep(Held(token, moments, again_at))

    def deadlines(self, token: Token) -> Deadlines:
        """Return the moments of a token; of the one in hand they stay what they were."""
        if self.held is not None and self.held.token == token:
            return self.held.deadlines
        return held_now(token, self._shared.clock, self._shared.timing).deadlines

    def keep(self, held: Held) -> Held:
        """Remember what is handed out, and plan R9's look: a third of the grace at most until the next one.

        A person's token that nothing can renew is looked behind too: a sign-in that can be lost may have come since.
        """
        grace = self._shared.server.reuse_grace
        if grace > 0 and (held.token.refresh_token is not None or self._shared.grant is None):
            held = held._replace(again_at=min(held.again_at, self._shared.clock.boot() + grace / 3))
        if held.token.refresh_token is not None and not self._shared.durable:
            self._shared.durable = True
            self._shared.tell(
                EventKind.NOT_DURABLE,
                self._key,
                "The refresh token is kept in memory alone, so a restart loses the sign-in; give the manager a store.",
            )
        self.held = held
        return held
