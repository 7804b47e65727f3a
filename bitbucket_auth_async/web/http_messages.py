"""What crosses between a framework and the steps of a sign-in: a request, an answer and cookies, as plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
"""The content type of what scripts get."""
_PRIVATE = (
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),  # what a callback's address held goes to nobody
    ("x-content-type-options", "nosniff"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as the browser sent it; its `repr` shows neither query nor cookies, which may hold secrets."""

    method: str
    origin: str
    """Scheme, host and port under which the browser sees us."""
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Header names in lower case."""
    cookies: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def is_page(self) -> bool:
        """Whether a person's browser goes there, rather than a script of a page."""
        mode = self.headers.get("sec-fetch-mode")
        if mode is not None:
            return mode == "navigate"
        return "text/html" in self.headers.get("accept", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """One cookie for the browser: HttpOnly, SameSite=Lax, for the whole host and no other; empty removes it."""

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
class Answer:
    """What the browser gets; never cached, never named as Referer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    cookies: tuple[Cookie, ...] = ()

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """Every header, cookies included, as pairs: names may repeat."""
        return [*_PRIVATE, *self.headers, *(("set-cookie", cookie.header) for cookie in self.cookies)]


def see_other(location: str, *cookies: Cookie) -> Answer:
    """Return a redirect that the browser follows with GET and without body (RFC 9700 section 4.12)."""
    return Answer(status=303, headers=(("location", location),), cookies=cookies)


def json_answer(status: int, content: Mapping[str, Any], *headers: tuple[str, str]) -> Answer:
    """Return JSON."""
    return Answer(status=status, headers=(("content-type", JSON), *headers), body=json.dumps(content).encode())
