"""The Retry-After header (RFC 9110 section 10.2.3): how long a server asks its clients to wait."""

LONGEST_WAIT = 3600.0
"""Seconds; a longer wait is cut to this."""

_LONGEST_VALUE = 64


def seconds_to_wait(value: str | None, *, now: float) -> float | None:
    """Return the seconds to wait after *now* (seconds since the epoch), at most an hour; None: no valid header."""
    text = (value or "").strip()
    if not text.isascii() or len(text) > _LONGEST_VALUE:
        return None
    if text.isdecimal():
        return min(float(text), LONGEST_WAIT)
    moment = _epoch_seconds(text)
    return None if moment is None else min(max(moment - now, 0.0), LONGEST_WAIT)


def _epoch_seconds(http_date: str) -> float | None:
    # Dates are rare, and importing `email` would slow the start of every program by some milliseconds.
    from email.utils import mktime_tz, parsedate_tz  # noqa: PLC0415  - see above

    try:
        parts = parsedate_tz(http_date)
        return None if parts is None else float(mktime_tz(parts))
    except (ValueError, OverflowError):
        return None
