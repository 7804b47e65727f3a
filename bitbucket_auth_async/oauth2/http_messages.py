"""Request and Response: what a transport sends and returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, by default a POST; the `repr` hides headers and body, which may hold secrets."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete HTTP response; a transport raises TransportError instead of returning part of one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Header names in lower case."""
    body: bytes = field(default=b"", repr=False)
