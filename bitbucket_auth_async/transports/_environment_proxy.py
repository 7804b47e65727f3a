"""Which proxy the environment names for an address, for every transport in the same way."""

from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass


def environment_proxy(url: str) -> str | None:
    """Return what `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say about *url*: a proxy's address, or None."""
    parts = urlsplit(url)
    proxy = getproxies_environment().get(parts.scheme)
    # Without user information, which is no part of what NO_PROXY lists.
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
