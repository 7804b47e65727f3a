"""Request and Response: what a transport sends and returns."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Request(NamedTuple):
    """One HTTP request, by default a POST; the `repr` hides headers and body, which may hold secrets."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"

    def __repr__(self) -> str:
        """Show method and URL."""
        return f"Request(url={self.url!r}, method={self.method!r})"


class Response(NamedTuple):
    """A complete HTTP response; a transport raises TransportError instead of returning part of one."""

    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    """Header names in lower case."""
    body: bytes = b""

    def __repr__(self) -> str:
        """Show the status."""
        return f"Response(status={self.status!r})"
