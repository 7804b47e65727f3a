"""SessionCookie: the encrypted cookie that says who is signed in in a browser."""

import math
import secrets
from collections.abc import Callable

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.web.cookie_cipher import CookieCipher
from bitbucket_auth_async.web.http_messages import BrowserRequest, Cookie


class SessionCookie:
    """Creates, reads and removes the session cookie; it holds a person's key and a nonce, new at each sign-in.

    A cookie is valid for *lifetime* seconds, for one *issuer* only: the server and client that the key belongs to.

    Raises:
        ConfigurationError: *lifetime* is not a positive finite number.
    """

    __slots__ = ("_bound_name", "_cipher", "_lifetime", "_name", "_secure", "_wall")

    def __init__(  # noqa: PLR0913 - each goes by its name
        self, cipher: CookieCipher, *, name: str, issuer: str, secure: bool, lifetime: float, wall: Callable[[], float]
    ) -> None:
        """Check the lifetime."""
        if not isinstance(lifetime, int | float) or not 0 < lifetime < math.inf:
            msg = "session_lifetime: expected a positive number of seconds, such as 30 * 24 * 3600."
            raise ConfigurationError(msg)
        self._cipher = cipher
        self._name = name
        self._bound_name = f"{name} {issuer}"
        self._secure = secure
        self._lifetime = lifetime
        self._wall = wall

    def new(self, key: str) -> Cookie:
        """Return the cookie that signs the person with this key in.

        Raises:
            ConfigurationError: The key is too long for a cookie.
        """
        content = {"key": key, "nonce": secrets.token_urlsafe(16)}
        value = self._cipher.encrypt(self._bound_name, content, until=self._wall() + self._lifetime)
        return Cookie(name=self._name, value=value, max_age=self._lifetime, secure=self._secure)

    def key(self, request: BrowserRequest) -> str:
        """Return the key of the person who is signed in.

        Raises:
            LoginRequiredError: The browser has no valid session cookie.
        """
        value = request.cookies.get(self._name)
        content = None if value is None else self._cipher.decrypt(self._bound_name, value, now=self._wall())
        if content is None:
            msg = "This browser has no valid session: sign in first."
            raise LoginRequiredError(msg)
        key: str = content["key"]
        return key

    def removal(self) -> Cookie:
        """Return the cookie that removes the session from the browser."""
        return Cookie(name=self._name, secure=self._secure)
