"""SentRequests: what a bearer remembers of its requests, and the events that it emits after a 401."""

from collections.abc import Callable

from bitbucket_auth_async.bearer.authorization import authorization_header
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.telemetry.events import Event, EventKind, emit

API_REFUSED = "The API answered 401 to a request with the token."
"""Detail of the event `api_refused`."""
API_REPEATED = "That request is sent again with another token."
"""Detail of the event `api_repeated`."""
BODY_LIMIT = 2**20
"""Bytes of a 401's body that are kept in memory during the renewal."""


def event_reporter(source: object) -> Callable[[EventKind, str], object]:
    """Return the function that reports a bearer's events: a manager's own, which calls its listener, else logging."""
    own: Callable[[EventKind, str], object] | None = getattr(source, "tell", None)
    if own is not None:
        return own
    return lambda kind, detail: emit(Event(kind=kind, key=type(source).__name__, detail=detail), None)


class SentRequests:
    """Numbers the requests sent with the current token, and remembers the latest one that succeeded.

    After a 401 this separates a refused token from an endpoint that refuses this kind of credential: the token is still
    accepted if a request sent later succeeded with it. The state is two numbers, one token and its header, however many
    requests there are.
    """

    __slots__ = ("_access_token", "_count", "_latest_success", "header")

    def __init__(self) -> None:
        """Start with no request."""
        self._access_token: str = ""
        self._latest_success = 0
        self._count = 0
        self.header = ""  # of the current token: a long text, built once for all its requests

    def add(self, token: Token) -> int:
        """Count a request about to be sent with *token*, and return its number."""
        if token.access_token != self._access_token:
            self._access_token = token.access_token
            self._latest_success = 0
            self.header = authorization_header(token)
        self._count += 1
        return self._count

    def answered(self, token: Token, number: int, status: int) -> None:
        """Record the status of a response; only success (1xx, 2xx) shows that the API checked the token."""
        if status < 300 and number > self._latest_success and token.access_token == self._access_token:  # noqa: PLR2004  - RFC 9110 section 15: below it, success
            self._latest_success = number

    def still_accepted(self, token: Token, number: int) -> bool:
        """Return whether a request sent after request *number* succeeded with the same token."""
        return self._latest_success > number and token.access_token == self._access_token
