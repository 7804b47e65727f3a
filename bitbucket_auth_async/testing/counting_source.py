"""CountingSource: a TokenSource without a server, for tests of bearer adapters."""

import asyncio

from bitbucket_auth_async.oauth2.tokens import Token


class CountingSource:
    """A TokenSource that returns token-1, token-2, … and renews by compare-and-swap, as a TokenManager does."""

    def __init__(self) -> None:
        """Start with token-1."""
        self.renewals = 0
        self.rejections: list[tuple[str, bool]] = []
        """Each rejected token, and the value of `still_accepted`."""
        self.error: Exception | None = None
        """Raised by every call, if set."""
        self.stuck = False
        """True if no newer token can be obtained."""
        self.token = self._next()

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        """Return the current token, or the next one if the current one was rejected."""
        if rejected is not None:
            self.rejections.append((rejected.access_token, still_accepted))
            # As with a manager, other callers run while the renewal runs.
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if rejected == self.token and not still_accepted and not self.stuck:
            self.renewals += 1
            self.token = self._next()
        return self.token

    def _next(self) -> Token:
        return Token(access_token=f"token-{self.renewals + 1}", issued_at=0.0)
