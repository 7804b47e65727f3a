"""AuthorizationServer: where a server's endpoints are, and how it treats a refresh token that is used twice."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from bitbucket_auth_async.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationServer:
    """Endpoints and habits of one authorization server (RFC 6749 section 3).

    `reuse_grace` is how many seconds a refresh token still works after its first use; 0, the default, is the strict
    reading of RFC 9700 section 4.14.2, under which a second use may revoke everything. `api_origins` are the only
    origins that may receive the bearer token. `issuer` is what a server that follows RFC 9207 names itself in each
    redirect: where it is given, a callback that names another, or none, is refused.

    Raises:
        ConfigurationError: An endpoint or an origin is not https (plain http is for loopback addresses alone).
    """

    authorization_endpoint: str
    token_endpoint: str
    api_origins: frozenset[str]
    reuse_grace: float = 0.0
    issuer: str | None = None

    def __post_init__(self) -> None:
        """Check every address once, and keep origins in one spelling."""
        for name in ("authorization_endpoint", "token_endpoint"):
            _check(name, getattr(self, name))
        origins = frozenset(origin_of(value, name="api_origins") for value in self.api_origins)
        object.__setattr__(self, "api_origins", origins)
        if not self.reuse_grace >= 0:
            msg = f"reuse_grace is {self.reuse_grace!r}: it takes seconds, 0 or more."
            raise ConfigurationError(msg)


def origin_of(url: str, *, name: str = "url") -> str:
    """Return scheme, host and port of an address that may carry a secret, in one spelling.

    Raises:
        ConfigurationError: It is not https, nor http on a loopback address, or has user information in it.
    """
    _check(name, url)
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, {"https": 443, "http": 80}[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only be this machine (RFC 8252 section 7.3)."""
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
        # The cause quotes the address, and that may hold a password.
        msg = f"{name}: this is not an address."
        raise ConfigurationError(msg) from None
    # urlsplit drops tabs and line breaks and reads a backslash otherwise than a browser: two readers, two hosts.
    if port == 0 or not url.isprintable() or " " in url or "\\" in url:
        msg = f"{name}: this is not an address."
        raise ConfigurationError(msg)
    if not host or parts.scheme not in {"https", "http"} or parts.username is not None:
        msg = f"{name}: expected an absolute https address without user information."
        raise ConfigurationError(msg)
    if parts.scheme == "http" and not is_loopback(host):
        msg = f"{name}: {parts.scheme}://{host} would send secrets in clear; use https."
        raise ConfigurationError(msg)
