"""Name a store's server in error messages: product, host and port, never the credentials."""

from urllib.parse import urlsplit


def server_address(product: str, url: str) -> str:
    """Return product and address: `Redis at cache.example:6379`, `Redis at /run/redis.sock`; or the product alone.

    An unquoted password (`redis://app:7/8@cache.example`) would be parsed as host and port. So no address is shown if
    an @ follows them.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or (parts.path if parts.scheme == "unix" else "")
        port = parts.port
    except ValueError:
        return product
    if not host or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return product
    shown = f"[{host}]" if ":" in host else host
    return f"{product} at {shown}" if port is None else f"{product} at {shown}:{port}"


def unreachable(server: str, error: BaseException) -> str:
    """Return the error sentence for a server that can't be reached."""
    return f"{server} can't be reached, or the connection broke ({type(error).__name__})."
