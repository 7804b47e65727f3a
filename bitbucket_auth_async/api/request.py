"""ApiRequest: one request to the API, and whether it may be sent again."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bitbucket_auth_async.api.errors import ApiError, NoAnswerError
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError
from bitbucket_auth_async.oauth2.json_types import is_list, is_mapping

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 section 9.2.1."""


class ApiRequest(NamedTuple):
    """One request to the API."""

    method: str
    url: str
    params: Mapping[str, Any] | None = None
    json: Any = None
    data: Any = None
    repeat: bool = False
    """Whether it may be sent again although the API may have acted on it and the method is not idempotent."""

    @property
    def path(self) -> str:
        """The path without its query, which may hold private data; for error messages."""
        return "/" + self.url.partition("://")[2].partition("/")[2].partition("?")[0]

    @property
    def is_safe(self) -> bool:
        """Whether it only reads, so that a redirect may be followed."""
        return self.method in _SAFE

    def may_repeat(self, error: BitbucketAuthError) -> bool:
        """Tell whether the request may be sent again after *error*."""
        if not error.retryable or not _is_repeatable(self.data):
            return False
        if not isinstance(error, ApiError) or (isinstance(error, NoAnswerError) and not error.sent):
            return True  # no token, or no connection: the API has not seen the request
        return self.repeat or self.method in _IDEMPOTENT

    def checked(self) -> "ApiRequest":
        """Return the request if it can be sent.

        Raises:
            ConfigurationError: It has two bodies, a body that can't be repeated although `repeat` is set, or text that
                UTF-8 can't encode.
        """
        _check_unicode("params", self.params)
        _check_unicode("data", self.data)
        if self.json is not None and self.data is not None:
            msg = "json and data are both given. A request has one body: leave one out."
            raise ConfigurationError(msg)
        if self.repeat and not _is_repeatable(self.data):
            msg = "repeat=True needs a body that can be sent twice: bytes, text, JSON or a form of these."
            raise ConfigurationError(msg)
        return self


def _check_unicode(name: str, value: object) -> None:
    """Refuse half of a surrogate pair: aiohttp would drop it from the query and so ask for something else.

    Raises:
        ConfigurationError: There is one.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            msg = f"{name}: found half of a surrogate pair, which UTF-8 can't encode. Decode the text correctly first."
            raise ConfigurationError(msg) from None
    elif is_mapping(value):
        for one in (*value.keys(), *value.values()):
            _check_unicode(name, one)
    elif is_list(value):
        for one in value:
            _check_unicode(name, one)


def _is_repeatable(data: object) -> bool:
    """Tell whether the body gives the same bytes each time it is sent."""
    if is_mapping(data):
        return all(isinstance(value, str | bytes | int) for value in data.values())
    return data is None or isinstance(data, str | bytes)
