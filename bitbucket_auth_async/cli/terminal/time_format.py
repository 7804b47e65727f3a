"""Moments and spans as people read them, and as programs do."""

from datetime import UTC, datetime

_UNITS = (("day", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


def iso(moment: float) -> str:
    """Return epoch seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(int(moment), tz=UTC).isoformat().replace("+00:00", "Z")


def local(moment: float) -> str:
    """Return epoch seconds in this machine's time zone."""
    return datetime.fromtimestamp(int(moment)).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z").strip()


def span(seconds: float) -> str:
    """Return a span in its largest unit."""
    for unit, size in _UNITS:
        count = int(seconds / size)
        if count:
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return "0 s"


def away(moment: float, now: float) -> str:
    """Return how far a moment is away."""
    return f"in {span(moment - now)}" if moment >= now else f"{span(now - moment)} ago"
