"""Errors of the REST API: one root, and a class where callers act differently."""

from collections.abc import Mapping
from typing import Any

from bitbucket_auth_async.bitbucket.scopes import missing_scopes
from bitbucket_auth_async.errors import BitbucketAuthError

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


class ApiError(BitbucketAuthError):
    """The API returned an error, or no complete response came.

    Attributes:
        method: The request's method.
        path: The request's path, without its query.
        status: The HTTP status; None: no complete response came.
        message: The server's message.
        detail: The server's further detail: a text, an object, or None.
        fields: The server's complaint about each field of the request.
        data: The server's further data for programs.
        id: The server's id of this error, to quote to Bitbucket's support.
        retry_after: Seconds that the server asked to wait (`Retry-After`), if it did.
    """

    def __init__(  # noqa: PLR0913 - the parts of the envelope, each by its name
        self,
        message: str,
        *,
        method: str,
        path: str,
        status: int | None,
        detail: Any = None,  # noqa: ANN401 - text or object, as the server sends it
        fields: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        id: str | None = None,  # noqa: A002 - the name in the error envelope
        retry_after: float | None = None,
        advice: str = "",
    ) -> None:
        """Build the message from the server's words and our advice."""
        outcome = "got no complete response" if status is None else f"returned {status}"
        more = f" ({detail})" if isinstance(detail, str) else ""
        super().__init__(f"{method} {path} {outcome}: {message.rstrip('.')}{more}. {advice}".rstrip())
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
    """No complete response came: unreachable, timed out or cut off. The API may have acted on the request all the same.

    Attributes:
        sent: False if the request certainly did not reach the API (name lookup, connect or TLS failed).
    """

    def __init__(self, message: str, *, method: str, path: str, sent: bool) -> None:
        """Note whether the API may have seen the request."""
        super().__init__(message, method=method, path=path, status=None)
        self.sent = sent


class MissingScopeError(ApiError):
    """The token lacks a scope (403).

    Attributes:
        required: The scopes that the endpoint requires.
        granted: The scopes that the token has.
        missing: The scopes of *required* that the granted ones neither include nor imply.
    """

    def __init__(
        self,
        message: str,
        *,
        required: frozenset[str],
        granted: frozenset[str],
        **more: Any,  # noqa: ANN401 - ApiError's own arguments
    ) -> None:
        """Work out which scopes are missing, and name them in the message."""
        missing = missing_scopes(granted, required) or required
        names = ", ".join(sorted(missing))
        advice = f"Give the client the scope {names}, then sign in again: renewing a token adds no scope."
        super().__init__(message, advice=advice, **more)
        self.required = required
        self.granted = granted
        self.missing = missing


class NotFoundError(ApiError):
    """The resource does not exist, or this token may not see it (404)."""


class GoneError(ApiError):
    """Bitbucket has removed the endpoint (410).

    Attributes:
        announcement_url: The page where Bitbucket announced it, if the response names one.
    """

    def __init__(self, message: str, *, announcement_url: str | None, **more: Any) -> None:  # noqa: ANN401 - ApiError's own arguments
        """Keep the announcement's URL."""
        super().__init__(message, advice="" if announcement_url is None else f"See {announcement_url}", **more)
        self.announcement_url = announcement_url


class RateLimitedError(ApiError):
    """Too many requests were made (429); `retry_after` is the server's wait in seconds, if it gave one."""
