"""Retry-After (RFC 9110 section 10.2.3): when the server asked to be tried again."""

LONGEST_WAIT = 3600.0
"""Whatever a server asks, look again after an hour."""

_LONGEST_TEXT = 64


def seconds_to_wait(value: str | None, *, now: float) -> float | None:
    """Return the seconds from *now* (since the epoch) that the header asks for, an hour at most.

    None: there is no header, or it makes no sense.
    """
    text = (value or "").strip()
    if not text.isascii() or len(text) > _LONGEST_TEXT:
        return None
    if text.isdecimal():
        return min(float(text), LONGEST_WAIT)
    moment = _epoch_seconds(text)
    return None if moment is None else min(max(moment - now, 0.0), LONGEST_WAIT)


def _epoch_seconds(http_date: str) -> float | None:
    # Only an ailing server sends a date; `email` would cost every program's start some milliseconds.
    from email.utils import mktime_tz, parsedate_tz  # noqa: PLC0415  - see above

    try:
        parts = parsedate_tz(http_date)
        return None if parts is None else float(mktime_tz(parts))
    except (ValueError, OverflowError):
        return None
