"""environment_proxy: the proxy that the environment sets for a URL, the same for every HTTP library."""

from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass


def environment_proxy(url: str) -> str | None:
    """Return the proxy's URL from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; None: connect directly.

    The `trust_env` of the HTTP libraries also reads `.netrc`, whose password would replace our token.
    """
    parts = urlsplit(url)
    proxy = getproxies_environment().get(parts.scheme)
    # NO_PROXY lists hosts without user information.
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
