"""AskedSource: a token that a function of the program gets, as a source for a bearer."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK

GetAccessToken = Callable[..., object]
"""Called by name with the `app_name`, `load_config` and `save_config` that there are; sync or async. It returns a
Token, or a mapping as a token endpoint answers."""


class AskedSource:
    """A TokenSource that asks a function for the token, once for all who need it, and again when it is due."""

    def __init__(self, ask: GetAccessToken, arguments: Mapping[str, Any], *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Ask nothing yet."""
        self._ask = ask
        self._arguments = arguments
        self._clock = clock
        self._token: Token | None = None
        self._asking: asyncio.Task[Token] | None = None

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        """Return the token; ask for it first if there is none, or if it has expired or is the rejected one.

        Raises:
            ConfigurationError: What the function returned is no token.
            LoginRequiredError: It returned one that has expired.
        """
        token, bad = self._token, None if rejected is None or still_accepted else rejected.access_token
        if token is not None and token.access_token != bad and self._is_good(token):
            return token
        if self._asking is None:
            self._asking = asyncio.create_task(self._fetch(), name="asking for an access token")
            self._asking.add_done_callback(self._asked)
        # Shielded: what the function does, such as spending a refresh token, is not for one caller to interrupt.
        token = await asyncio.shield(self._asking)
        if not self._is_good(token):
            msg = "get_access_token returned a token that has expired."
            raise LoginRequiredError(msg)
        return token

    async def _fetch(self) -> Token:
        asked_at = self._clock.wall()
        answer = self._ask(**self._arguments)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Mapping):
            answer = Token.from_response(cast("Mapping[str, Any]", answer), requested_at=asked_at)
        if not isinstance(answer, Token):
            msg = f"get_access_token: expected a Token or a mapping, found a {type(answer).__name__}."
            raise ConfigurationError(msg)
        self._token = answer
        return answer

    def _asked(self, task: "asyncio.Task[Token]") -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # looked at, since all who asked may be gone

    def _is_good(self, token: Token) -> bool:
        """Tell whether it is; the leeway is the one of a manager (30 s, or a tenth of its life)."""
        if token.expires_at is None:
            return True
        leeway = min(30.0, (token.lifetime or 0.0) / 10)
        return self._clock.wall() < token.expires_at - leeway
