"""CallbackSource: a TokenSource that gets its tokens from a function of the program."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK

GetAccessToken = Callable[..., object]
"""Sync or async; gets `app_name` and, if given, `load_config` and `save_config` as keyword arguments. It returns a
Token, or a token endpoint's response as a mapping."""


class CallbackSource:
    """A TokenSource that calls a function for the token, once for all callers, and again once the token expires."""

    def __init__(self, get: GetAccessToken, arguments: Mapping[str, Any], *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Call nothing yet."""
        self._get = get
        self._arguments = arguments
        self._clock = clock
        self._token: Token | None = None
        self._call: asyncio.Task[Token] | None = None

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        """Return the cached token; call the function first if there is no token, or it has expired or was rejected.

        Raises:
            ConfigurationError: The function returned something other than a token.
            LoginRequiredError: The function returned an expired token.
        """
        token, refused = self._token, None if rejected is None or still_accepted else rejected.access_token
        if token is not None and token.access_token != refused and self._is_valid(token):
            return token
        if self._call is None:
            self._call = asyncio.create_task(self._fetch(), name="getting an access token")
            self._call.add_done_callback(self._call_ended)
        # Shielded: a cancelled caller must not interrupt the function, which may be spending a refresh token.
        token = await asyncio.shield(self._call)
        if not self._is_valid(token):
            msg = "get_access_token returned an expired token. Sign in again, or let it return a valid one."
            raise LoginRequiredError(msg)
        return token

    async def _fetch(self) -> Token:
        requested_at = self._clock.wall()
        result = self._get(**self._arguments)
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, Mapping):
            result = Token.from_response(cast("Mapping[str, Any]", result), requested_at=requested_at)
        if not isinstance(result, Token):
            msg = f"get_access_token returned a {type(result).__name__}. Let it return a Token or a mapping."
            raise ConfigurationError(msg)
        self._token = result
        return result

    def _call_ended(self, task: "asyncio.Task[Token]") -> None:
        self._call = None
        if not task.cancelled():
            task.exception()  # mark it as retrieved: all callers may be gone

    def _is_valid(self, token: Token) -> bool:
        """Tell whether the token has not expired; the leeway is a manager's (30 s, or a tenth of the lifetime)."""
        if token.expires_at is None:
            return True
        leeway = min(30.0, (token.lifetime or 0.0) / 10)
        return self._clock.wall() < token.expires_at - leeway
