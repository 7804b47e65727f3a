"""TrustedProxies: finds the site's origin as browsers see it, even behind a reverse proxy."""

import ipaddress
from collections.abc import Iterable, Mapping

from bitbucket_auth_async.errors import ConfigurationError

_DEFAULT_PORTS = {"https": "443", "http": "80"}
_UNIX = "unix"


class TrustedProxies:
    """Reverse proxies whose forwarded headers are believed: addresses, networks, or `unix` for a Unix socket.

    Only the last `X-Forwarded-Proto` and `X-Forwarded-Host` count, because a proxy replaces the header or appends to
    it. Headers from any other peer are ignored.

    Raises:
        ConfigurationError: A name is neither an address nor a network.
    """

    __slots__ = ("_networks", "_unix")

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        """Parse the networks."""
        names = [trusted] if isinstance(trusted, str) else list(trusted)
        self._unix = _UNIX in names
        try:
            self._networks = [ipaddress.ip_network(name) for name in names if name != _UNIX]
        except ValueError as error:
            msg = f"trusted_proxies: expected addresses such as 127.0.0.1 or 10.0.0.0/8, or {_UNIX!r} ({error})."
            raise ConfigurationError(msg) from None

    def origin(self, *, scheme: str, host: str, peer: str | None, headers: Mapping[str, str]) -> str:
        """Return the origin that the browser uses for this site, normalized.

        Args:
            scheme: The scheme of the connection itself.
            host: The `Host` header.
            peer: The address of the peer; None or empty for a Unix socket.
            headers: The request's headers, names in lower case.
        """
        if self._trusts(peer):
            scheme = _last(headers.get("x-forwarded-proto")) or scheme
            host = _last(headers.get("x-forwarded-host")) or host
        return _normalized(scheme, host)

    def _trusts(self, peer: str | None) -> bool:
        if not peer:
            return self._unix
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def _normalized(scheme: str, host: str) -> str:
    """Return the origin as browsers write it: lower case, without the default port."""
    scheme, host = scheme.lower(), host.lower()
    return f"{scheme}://{host.removesuffix(':' + _DEFAULT_PORTS.get(scheme, '-'))}"


def _last(values: str | None) -> str:
    return (values or "").rpartition(",")[2].strip()
