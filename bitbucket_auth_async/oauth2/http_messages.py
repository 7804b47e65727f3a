"""Request and Response: the two plain values that cross the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST to the token endpoint; what carries secrets stays out of its `repr`."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back, whole; a transport raises TransportError if it can't give that."""

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Header names in lower case."""
    body: bytes = field(default=b"", repr=False)
