"""Events: what happened to one identity's token, free of secrets, for plain callables and for logging."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique

logger = logging.getLogger("bitbucket_auth_async")
"""Where every event goes as a line, whoever else listens.

:meta hide-value:
"""


@unique
class EventKind(StrEnum):
    """What can happen."""

    BEGAN = "began"
    """Work on the token begins, by a renewal or an exchange; what is told until it ended belongs to it."""
    ENDED = "ended"
    """That work ended, after *seconds*; *error* names what it ended with, if it failed."""
    CALLER_WAITED = "caller_waited"
    """A caller had no good token and waited *seconds* for one, in vain or not."""
    CLAIM_WAITED = "claim_waited"
    """Somebody else is renewing, so we wait; told once in a renewal."""
    CLAIM_LAPSED = "claim_lapsed"
    """Somebody else's claim to renew had lapsed, or its process is gone, so we took over."""
    REQUESTED = "requested"
    """A token request goes out."""
    RENEWED = "renewed"
    """A token was received and stored."""
    ADOPTED = "adopted"
    """A newer token was found in the store."""
    REPEATED = "repeated"
    """A refresh token that may have been spent already is spent again: its first answer was lost."""
    KEPT_AS_SPARE = "kept_as_spare"
    """A token came after our claim had lapsed; it was added to the record as a spare."""
    OUTAGE_BEGAN = "outage_began"
    """The token endpoint gave no usable answer, the first time in a row."""
    OUTAGE_GOES_ON = "outage_goes_on"
    """The same again."""
    OUTAGE_ENDED = "outage_ended"
    """It answers again."""
    NOT_FORCED = "not_forced"
    """The API refused a token that is too young for another one to be forced."""
    API_REFUSED = "api_refused"
    """An API answered a request that bore the token with 401."""
    API_REPEATED = "api_repeated"
    """That request was sent again with another token."""
    REFUSED = "refused"
    """The server refused a refresh token: it is dead."""
    LOGIN_REQUIRED = "login_required"
    """Nothing is left to renew with."""
    MISCONFIGURED = "misconfigured"
    """The server refuses the client or the request; nobody's sign-in was touched."""
    STORE_FAILED = "store_failed"
    """The store could not be read or written."""
    SAVE_FAILED = "save_failed"
    """A token is in memory alone; saving goes on."""
    SAVED_LATE = "saved_late"
    """That token is in the store now."""
    NOT_DURABLE = "not_durable"
    """A refresh token is kept where a restart may lose it: in memory by default, or in a server that forgets."""


ROUTINE = frozenset(
    {
        EventKind.BEGAN,
        EventKind.ENDED,
        EventKind.CALLER_WAITED,
        EventKind.CLAIM_WAITED,
        EventKind.REQUESTED,
    }
)
"""What happens when all is well: there to be measured."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to the identity named *key*; no field holds a secret."""

    kind: EventKind
    key: str
    detail: str = ""
    """A sentence for people."""
    seconds: float | None = None
    """How long it took, where that is measured."""
    error: str = ""
    """The name of the error's class, where there was one."""


Listener = Callable[[Event], object]
"""A function of the program that is told every event, in the event loop."""


def emit(event: Event, listener: Listener | None) -> None:
    """Log the event and hand it to the listener, whose own failure is logged and goes no further."""
    key = event.key if event.key.isprintable() else repr(event.key)  # a line break would begin a line of its own
    logger.log(_LEVELS.get(event.kind, logging.DEBUG), "%s: %s. %s", key, event.kind.value, event.detail)
    if listener is None:
        return
    try:
        listener(event)
    except Exception:
        logger.exception("The listener for events failed; the renewal goes on.")
