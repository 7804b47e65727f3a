"""Requests, responses and cookies as plain values: the only things that cross between a framework and the sign-in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
"""Content type of JSON responses."""
_COMMON_HEADERS = (
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),  # a callback's address holds a code
    ("x-content-type-options", "nosniff"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserRequest:
    """A request as the browser sent it; its `repr` omits query, headers and cookies, which may hold secrets."""

    method: str
    origin: str
    """Scheme, host and port that the browser uses for this site."""
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Header names are in lower case."""
    cookies: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def is_page(self) -> bool:
        """True if the browser opens a page; false if a script of a page calls."""
        mode = self.headers.get("sec-fetch-mode")
        if mode is not None:
            return mode == "navigate"
        return "text/html" in self.headers.get("accept", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie to set: HttpOnly, SameSite=Lax, for this host only; without a value it removes the cookie."""

    name: str
    value: str = field(default="", repr=False)
    max_age: float = 0.0
    secure: bool = True

    @property
    def header(self) -> str:
        """The value of `Set-Cookie`."""
        text = f"{self.name}={self.value}; Path=/; Max-Age={self.max_age:.0f}; HttpOnly; SameSite=Lax"
        return f"{text}; Secure" if self.secure else text


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserResponse:
    """A response to the browser, which must neither cache it nor send its address as Referer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    cookies: tuple[Cookie, ...] = ()

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """All headers including cookies, as pairs, because names may repeat."""
        return [*_COMMON_HEADERS, *self.headers, *(("set-cookie", cookie.header) for cookie in self.cookies)]


def see_other(location: str, *cookies: Cookie) -> BrowserResponse:
    """Return a redirect that the browser follows with GET and without a body (RFC 9700 section 4.12)."""
    return BrowserResponse(status=303, headers=(("location", location),), cookies=cookies)


def json_response(status: int, content: Mapping[str, Any], *headers: tuple[str, str]) -> BrowserResponse:
    """Return a JSON response."""
    body = json.dumps(content).encode()
    return BrowserResponse(status=status, headers=(("content-type", JSON), *headers), body=body)
