"""Where the browser sees us, and whether a request comes from a page of ours."""

import ipaddress
from collections.abc import Iterable, Mapping

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.web.http_messages import Incoming

_PORTS = {"https": "443", "http": "80"}
UNIX = "unix"
"""Names, among trusted proxies, whoever connects through a Unix socket."""


class Proxies:
    """The reverse proxies whose word counts: addresses or networks, `unix` for a Unix socket; none by default.

    From them, and from nobody else, the last `X-Forwarded-Proto` and `X-Forwarded-Host` are believed: they set these,
    or add theirs at the end.

    Raises:
        ConfigurationError: One is neither an address nor a network.
    """

    __slots__ = ("_networks", "_unix")

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        """Keep the networks."""
        names = [trusted] if isinstance(trusted, str) else list(trusted)
        self._unix = UNIX in names
        try:
            self._networks = [ipaddress.ip_network(name) for name in names if name != UNIX]
        except ValueError as error:
            msg = f"trusted_proxies: expected addresses such as 127.0.0.1 or 10.0.0.0/8, or {UNIX!r} ({error})."
            raise ConfigurationError(msg) from None

    def origin(self, *, scheme: str, host: str, peer: str | None, headers: Mapping[str, str]) -> str:
        """Return the origin under which the browser sees us, in one spelling.

        Args:
            scheme: Of the connection itself.
            host: What the `Host` header says.
            peer: Who connected; None or empty: through a Unix socket.
            headers: Those of the request, names in lower case.
        """
        if self._trusts(peer):
            scheme = _last(headers.get("x-forwarded-proto")) or scheme
            host = _last(headers.get("x-forwarded-host")) or host
        return spelled(scheme, host)

    def _trusts(self, peer: str | None) -> bool:
        if not peer:
            return self._unix
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def spelled(scheme: str, host: str) -> str:
    """Return an origin in the spelling that browsers use."""
    scheme, host = scheme.lower(), host.lower()
    return f"{scheme}://{host.removesuffix(':' + _PORTS.get(scheme, '-'))}"


def is_our_page(incoming: Incoming, origin: str) -> bool:
    """Tell whether a page of *origin* made this request; one without any word about that did not.

    Every browser of today sends one of the two headers with whatever changes something, and no page can forge them.
    """
    site = incoming.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return incoming.headers.get("origin") == origin


def is_foreign_page(incoming: Incoming, origin: str) -> bool:
    """Tell whether the request names another origin as the one that made it; for requests that only read."""
    site = incoming.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"cross-site", "same-site"}
    return incoming.headers.get("origin") not in {None, origin}


def _last(values: str | None) -> str:
    return (values or "").rpartition(",")[2].strip()
