"""The server of a store, as errors name it: by where it is, and never by what lets one in."""

from urllib.parse import urlsplit


def named(what: str, url: str) -> str:
    """Return what it is and where: `Redis at cache.example:6379`, `Redis at /run/redis.sock`; or what it is alone.

    A password that should have been quoted (`redis://app:7/8@cache.example`) is read as host and port, so an address
    with an @ behind those is not shown.
    """
    try:
        parts = urlsplit(url)
        place = parts.hostname or (parts.path if parts.scheme == "unix" else "")
        port = parts.port
    except ValueError:
        return what
    if not place or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return what
    host = f"[{place}]" if ":" in place else place
    return f"{what} at {host}" if port is None else f"{what} at {host}:{port}"


def unreached(server: str, error: BaseException) -> str:
    """Return the sentence about a server that could not be reached."""
    return f"{server} can't be reached, or the connection broke ({type(error).__name__})."
