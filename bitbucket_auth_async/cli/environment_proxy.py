"""The proxy that the environment names, as curl and Git take it, for sessions that must not read `.netrc`."""

from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass


def proxy_for(url: str) -> str | None:
    """Return the proxy for an address; None: there is none.

    aiohttp's own `trust_env` would also take a password for the address from `.netrc`, in the place of our token.
    """
    parts = urlsplit(url)
    proxy = getproxies_environment().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
