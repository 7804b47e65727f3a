"""What the API answers when it does not answer with what was asked for: one root, and a class where callers differ."""

from collections.abc import Mapping
from typing import Any

from bitbucket_auth_async.bitbucket.scopes import missing_scopes
from bitbucket_auth_async.errors import BitbucketAuthError

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


class ApiError(BitbucketAuthError):
    """The API did not answer with what was asked for.

    Attributes:
        method: The request's method.
        path: The request's path, without its query.
        status: The HTTP status; None: no answer came.
        message: What the server said in a sentence.
        detail: What else it said: a text, an object, or None.
        fields: What is wrong with which field of the request, as the server words it.
        data: Further data for programs, as the server words it.
        id: The server's name for this occurrence, to quote to Bitbucket's support.
        retry_after: Seconds after which the server asked to be tried again, if it said so.
    """

    def __init__(  # noqa: PLR0913 - the parts of the envelope, each by its name
        self,
        message: str,
        *,
        method: str,
        path: str,
        status: int | None,
        detail: Any = None,  # noqa: ANN401 - text or object, as the server likes
        fields: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,  # noqa: A002 - the envelope's own word
        retry_after: float | None = None,
        advice: str = "",
    ) -> None:
        """Keep what the server said, and what to do about it where that is known."""
        answered = "got no whole answer" if status is None else f"was answered {status}"
        more = f" ({detail})" if isinstance(detail, str) else ""
        super().__init__(f"{method} {path} {answered}: {message.rstrip('.')}{more}. {advice}".rstrip())
        self.method = method
        self.path = path
        self.status = status
        self.message = message
        self.detail = detail
        self.fields: Mapping[str, Any] = fields or {}
        self.data: Mapping[str, Any] = data or {}
        self.id = id
        self.retry_after = retry_after
        self.retryable = status is None or status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR


class NoAnswerError(ApiError):
    """No whole answer came back: unreachable, timed out, cut off. What was asked for may have happened all the same.

    Attributes:
        sent: False if the request surely did not reach the API (name lookup, connect, TLS).
    """

    def __init__(self, message: str, *, method: str, path: str, sent: bool) -> None:
        """Keep whether the API may have seen the request."""
        super().__init__(message, method=method, path=path, status=None)
        self.sent = sent


class MissingScopeError(ApiError):
    """The token lacks a scope (403).

    Attributes:
        required: The scopes that the endpoint asks for.
        granted: The scopes that the token has.
        missing: What of *required* is neither granted nor implied by what is.
    """

    def __init__(
        self,
        message: str,
        *,
        required: frozenset[str],
        granted: frozenset[str],
        **more: Any,  # noqa: ANN401 - what ApiError takes
    ) -> None:
        """Keep both lists, and say what is missing."""
        missing = missing_scopes(granted, required) or required
        names = ", ".join(sorted(missing))
        advice = f"Give the client the scope {names}, then sign in again: a token keeps the scope that it began with."
        super().__init__(message, advice=advice, **more)
        self.required = required
        self.granted = granted
        self.missing = missing


class NotFoundError(ApiError):
    """There is no such thing, or it may not be seen with this token (404)."""


class GoneError(ApiError):
    """The endpoint was taken out of service (410).

    Attributes:
        announcement_url: Where Bitbucket announced it, if the answer says so.
    """

    def __init__(self, message: str, *, announcement_url: str | None, **more: Any) -> None:  # noqa: ANN401 - what ApiError takes
        """Keep the announcement's address."""
        super().__init__(message, advice="" if announcement_url is None else f"See {announcement_url}", **more)
        self.announcement_url = announcement_url


class RateLimitedError(ApiError):
    """Too many requests were made (429); `retry_after` says when the next one may succeed, if the server did."""
