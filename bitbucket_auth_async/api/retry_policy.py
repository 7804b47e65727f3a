"""What is sent again, and when: pure decisions about one call."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bitbucket_auth_async.api.errors import ApiError, NoAnswerError
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, OutageError, UnavailableError
from bitbucket_auth_async.oauth2.json_types import is_list, is_mapping
from bitbucket_auth_async.renewal.settle import pause

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 section 9.2.1."""


class Call(NamedTuple):
    """One request as the caller wants it."""

    method: str
    url: str
    params: Mapping[str, Any] | None = None
    json: Any = None
    data: Any = None
    repeat: bool = False
    """Whether it may be sent again though the API may have acted on it and the method is not idempotent."""

    @property
    def path(self) -> str:
        """The path alone, for errors: a query may hold what is nobody's business."""
        return "/" + self.url.partition("://")[2].partition("/")[2].partition("?")[0]

    @property
    def is_safe(self) -> bool:
        """Whether it only reads, so that a redirect may be followed."""
        return self.method in _SAFE

    def may_follow(self, error: BitbucketAuthError) -> bool:
        """Tell whether the call may be sent again after *error*."""
        if not error.retryable or not _gives_the_same_again(self.data):
            return False
        if not isinstance(error, ApiError) or (isinstance(error, NoAnswerError) and not error.sent):
            return True  # no token, or no connection: the API has seen nothing of it
        return self.repeat or self.method in _IDEMPOTENT

    def checked(self) -> "Call":
        """Return it, if what is asked can be done.

        Raises:
            ConfigurationError: It has two bodies, or is to be repeated though its body is good once; or something in it
                can't be written.
        """
        _check_unicode("params", self.params)
        _check_unicode("data", self.data)
        if self.json is not None and self.data is not None:
            msg = "json and data are both given: a request has one body."
            raise ConfigurationError(msg)
        if self.repeat and not _gives_the_same_again(self.data):
            msg = "repeat=True needs a body that gives the same again: bytes, text, JSON or a form of these."
            raise ConfigurationError(msg)
        return self


def rest_after(error: BitbucketAuthError, attempts: int, *, jitter: float) -> float:
    """Return the seconds to wait after *attempts* in a row that failed, the last one with *error*."""
    asked = error.retry_after if isinstance(error, ApiError | OutageError | UnavailableError) else None
    return pause(attempts, jitter=jitter, retry_after=asked or 0.0)


def _check_unicode(name: str, value: object) -> None:
    """Refuse half of a surrogate pair: aiohttp leaves it out of a query, which then asks for something else.

    Raises:
        ConfigurationError: There is one.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            msg = f"{name}: holds half of a surrogate pair, which can't be written."
            raise ConfigurationError(msg) from None
    elif is_mapping(value):
        for one in (*value.keys(), *value.values()):
            _check_unicode(name, one)
    elif is_list(value):
        for one in value:
            _check_unicode(name, one)


def _gives_the_same_again(data: object) -> bool:
    if is_mapping(data):
        return all(isinstance(value, str | bytes | int) for value in data.values())
    return data is None or isinstance(data, str | bytes)
