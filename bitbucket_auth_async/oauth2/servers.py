"""AuthorizationServer: a server's endpoints, its API origins, and its grace period for used refresh tokens."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from bitbucket_auth_async.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationServer:
    """The endpoints of one authorization server (RFC 6749 section 3), and how it behaves.

    `reuse_grace` is how many seconds a refresh token still works after its first use. The default 0 is the strict
    reading of RFC 9700 section 4.14.2: a second use may revoke everything. Only `api_origins` may receive the bearer
    token. `issuer` is the name that a server puts into each redirect (RFC 9207); if it is set, a callback with another
    issuer or without one is refused.

    Raises:
        ConfigurationError: An endpoint or an origin is not https (plain http is for loopback addresses only).
    """

    authorization_endpoint: str
    token_endpoint: str
    api_origins: frozenset[str]
    reuse_grace: float = 0.0
    issuer: str | None = None

    def __post_init__(self) -> None:
        """Check every URL, and normalize the origins."""
        for name in ("authorization_endpoint", "token_endpoint"):
            _check(name, getattr(self, name))
        origins = frozenset(origin_of(value, name="api_origins") for value in self.api_origins)
        object.__setattr__(self, "api_origins", origins)
        if not self.reuse_grace >= 0:
            msg = f"reuse_grace is {self.reuse_grace!r}: expected seconds, 0 or more."
            raise ConfigurationError(msg)


def origin_of(url: str, *, name: str = "url") -> str:
    """Return the normalized origin (scheme, host, port) of a URL that may receive secrets.

    Raises:
        ConfigurationError: The URL is not https, nor http on a loopback address, or contains user information.
    """
    _check(name, url)
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, {"https": 443, "http": 80}[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def is_loopback(host: str) -> bool:
    """Return whether a host name or IP address is always this machine (RFC 8252 section 7.3)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # The cause quotes the URL, which may contain a password.
        msg = f"{name}: this is not a URL."
        raise ConfigurationError(msg) from None
    # urlsplit drops tabs and line breaks, and a browser reads a backslash as a slash: they would find different hosts.
    if port == 0 or not url.isprintable() or " " in url or "\\" in url:
        msg = f"{name}: this is not a URL."
        raise ConfigurationError(msg)
    if not host or parts.scheme not in {"https", "http"} or parts.username is not None:
        msg = f"{name}: expected an absolute https URL without user information."
        raise ConfigurationError(msg)
    if parts.scheme == "http" and not is_loopback(host):
        msg = f"{name}: {parts.scheme}://{host} would send secrets unencrypted; use https."
        raise ConfigurationError(msg)
