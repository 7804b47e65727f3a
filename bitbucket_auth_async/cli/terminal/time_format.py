"""Moments and durations as text, for users and for programs."""

from datetime import UTC, datetime

_UNITS = (("day", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


def iso_utc(moment: float) -> str:
    """Return epoch seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(int(moment), tz=UTC).isoformat().replace("+00:00", "Z")


def local_time(moment: float) -> str:
    """Return epoch seconds as date and time in the local time zone."""
    return datetime.fromtimestamp(int(moment)).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z").strip()


def duration(seconds: float) -> str:
    """Return a number of seconds in its largest unit, such as `3 days`."""
    for unit, size in _UNITS:
        count = int(seconds / size)
        if count:
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return "0 s"


def relative(moment: float, now: float) -> str:
    """Return a moment relative to *now*, such as `in 3 days` or `5 min ago`."""
    return f"in {duration(moment - now)}" if moment >= now else f"{duration(now - moment)} ago"
