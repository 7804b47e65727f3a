"""CountingSource: a TokenSource without a server, for tests of bearers."""

import asyncio

from bitbucket_auth_async.oauth2.tokens import Token


class CountingSource:
    """A TokenSource that renews by counting: token-1, token-2, …; compares and swaps as a manager does."""

    def __init__(self) -> None:
        """Begin with token-1."""
        self.renewals = 0
        self.rejections: list[tuple[str, bool]] = []
        """What was rejected, and whether it was still accepted elsewhere."""
        self.error: Exception | None = None
        """Raised instead of any answer."""
        self.stuck = False
        """Whether no other token is to be had."""
        self.token = self._next()

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        """Return the present token, or after its rejection the next one."""
        if rejected is not None:
            self.rejections.append((rejected.access_token, still_accepted))
            # As with a manager, the others get their say while the renewal runs.
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if rejected == self.token and not still_accepted and not self.stuck:
            self.renewals += 1
            self.token = self._next()
        return self.token

    def _next(self) -> Token:
        return Token(access_token=f"token-{self.renewals + 1}", issued_at=0.0)
