"""Event and EventKind: what happened to an identity's token, without secrets, for a listener and for logging."""

import logging
from collections.abc import Callable
from enum import StrEnum, unique
from typing import NamedTuple

logger = logging.getLogger("bitbucket_auth_async")
"""The logger that receives every event as one line, with or without a listener.

:meta hide-value:
"""


@unique
class EventKind(StrEnum):
    """The kinds of events."""

    BEGAN = "began"
    """A renewal or an exchange begins; the events up to its end belong to it."""
    ENDED = "ended"
    """The renewal or exchange ended after *seconds*; *error* names the error's class if it failed."""
    CALLER_WAITED = "caller_waited"
    """A caller had no valid token and waited *seconds* for one, successfully or not."""
    CLAIM_WAITED = "claim_waited"
    """Another process is renewing, so this one waits; emitted once in a renewal."""
    CLAIM_LAPSED = "claim_lapsed"
    """This process took over a renewal, because the other's claim lapsed or its process has ended."""
    REQUESTED = "requested"
    """A token request is sent."""
    RENEWED = "renewed"
    """A token was received and stored."""
    ADOPTED = "adopted"
    """A newer token was found in the store."""
    REPEATED = "repeated"
    """A refresh token that may have been spent is spent again, because the first response was lost."""
    KEPT_AS_SPARE = "kept_as_spare"
    """A token arrived after our claim had lapsed; it was added to the record as a spare."""
    OUTAGE_BEGAN = "outage_began"
    """An outage of the token endpoint begins: the first failure after a success."""
    OUTAGE_GOES_ON = "outage_goes_on"
    """The token endpoint failed again during an outage."""
    OUTAGE_ENDED = "outage_ended"
    """The token endpoint answers again."""
    NOT_FORCED = "not_forced"
    """The API refused a token that is too young to force a renewal."""
    API_REFUSED = "api_refused"
    """An API answered 401 to a request with the token."""
    API_REPEATED = "api_repeated"
    """The refused request was sent again with another token."""
    REFUSED = "refused"
    """The server refused a refresh token, which is no longer valid."""
    LOGIN_REQUIRED = "login_required"
    """No grant is left to renew with; the user must log in again."""
    MISCONFIGURED = "misconfigured"
    """The server refuses the client or the request; the sign-in is unchanged."""
    STORE_FAILED = "store_failed"
    """The store could not be read or written."""
    SAVE_FAILED = "save_failed"
    """A token is only in memory; saving is retried."""
    SAVED_LATE = "saved_late"
    """A token that could not be saved before is now in the store."""
    NOT_DURABLE = "not_durable"
    """A restart may lose the refresh token: it is in memory (the default), or in a server that is not durable."""


ROUTINE = frozenset(
    {
        EventKind.BEGAN,
        EventKind.ENDED,
        EventKind.CALLER_WAITED,
        EventKind.CLAIM_WAITED,
        EventKind.REQUESTED,
    }
)
"""Kinds of events in normal operation; they exist to be measured."""

_LEVELS = {
    EventKind.CLAIM_LAPSED: logging.WARNING,
    EventKind.RENEWED: logging.INFO,
    EventKind.REPEATED: logging.WARNING,
    EventKind.KEPT_AS_SPARE: logging.WARNING,
    EventKind.OUTAGE_BEGAN: logging.WARNING,
    EventKind.OUTAGE_ENDED: logging.INFO,
    EventKind.NOT_FORCED: logging.INFO,
    EventKind.API_REFUSED: logging.INFO,
    EventKind.REFUSED: logging.WARNING,
    EventKind.LOGIN_REQUIRED: logging.WARNING,
    EventKind.MISCONFIGURED: logging.ERROR,
    EventKind.STORE_FAILED: logging.WARNING,
    EventKind.SAVE_FAILED: logging.ERROR,
    EventKind.SAVED_LATE: logging.INFO,
    EventKind.NOT_DURABLE: logging.WARNING,
}


class Event(NamedTuple):
    """An event of the identity *key*; no field contains a secret."""

    kind: EventKind
    key: str
    detail: str = ""
    """A sentence for humans."""
    seconds: float | None = None
    """The duration, if it is measured."""
    error: str = ""
    """The name of the error's class, if there was an error."""


Listener = Callable[[Event], object]
"""A function that receives every event, in the event loop."""


def emit(event: Event, listener: Listener | None) -> None:
    """Log the event and call the listener; an exception of the listener is logged and not raised."""
    key = event.key if event.key.isprintable() else repr(event.key)  # a line break would start a new log line
    logger.log(_LEVELS.get(event.kind, logging.DEBUG), "%s: %s. %s", key, event.kind.value, event.detail)
    if listener is None:
        return
    try:
        listener(event)
    except Exception:
        logger.exception("The event listener raised an exception; the renewal continues.")
