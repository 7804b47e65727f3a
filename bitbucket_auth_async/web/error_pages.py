"""The page that says what went wrong with a sign-in, and what to do."""

import base64
import hashlib
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from bitbucket_auth_async.errors import (
    AccessDeniedError,
    AuthorizationError,
    BitbucketAuthError,
    CallbackError,
    InvalidGrantError,
)
from bitbucket_auth_async.web.http_messages import Answer, Cookie

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2b41; --soft: #50607a; --paper: #fff; --ground: #f3f5f9; --line: #d5dbe6;
  --blue: #0b57d0; --on-blue: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf3; --soft: #a9b6ca; --paper: #1d242e; --ground: #12171e;
  --line: #36414f; --blue: #8ab4ff; --on-blue: #0b1a33 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif }
main { width: min(30rem, 100%); padding: clamp(1.25rem, 5vw, 2.5rem); background: var(--paper);
  border: 1px solid var(--line); border-radius: 1rem }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25 }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
.told { color: var(--soft); font-size: .9rem }
nav { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem }
a { padding: .6rem 1.1rem; border: 1px solid var(--line); border-radius: .5rem; color: inherit; text-decoration: none }
a.first { background: var(--blue); border-color: var(--blue); color: var(--on-blue); font-weight: 600 }
a:focus-visible { outline: 3px solid var(--blue); outline-offset: 3px }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class _Told(NamedTuple):
    status: int
    title: str
    text: str


_DENIED = _Told(403, "Access was not granted", "You said no, so nothing was stored. You can sign in whenever you like.")
_STALE = _Told(
    400,
    "This sign-in can't be finished",
    "It was finished before, took longer than ten minutes, or began in another browser; or this browser keeps no "
    "cookies. Sign in again here.",
)
_SPENT = _Told(400, "This sign-in was used already", "A sign-in works once, and soon. Sign in again.")
_REFUSED = _Told(400, "Bitbucket refused the sign-in", "Sign in again; if that does not help, tell who runs this site.")
_BUSY = _Told(503, "Bitbucket does not answer right now", "Nothing is wrong with your account. Try again in a moment.")
_BROKEN = _Told(500, "Sign-in is not set up rightly here", "Tell who runs this site: its log says what to mend.")
_PASSING = {"temporarily_unavailable", "server_error"}


def is_for_operator(error: BitbucketAuthError) -> bool:
    """Tell whether the person can do nothing about it, and who runs the site must."""
    return _told(error) is _BROKEN


def error_page(error: BitbucketAuthError, *, login: str, return_to: str = "/", cookies: tuple[Cookie, ...]) -> Answer:
    """Return the page for an error of a sign-in; it needs no script and loads nothing."""
    told = _told(error)
    again = f"{login}?return_to={quote(return_to, safe='')}"
    said = ""
    if isinstance(error, AuthorizationError) and told is _REFUSED:
        # The server's own words; `judge` has made them harmless, and they come with the right state alone.
        said = f'<p class="told">{escape(str(error))}</p>'
    return page(told.status, told.title, f"<p>{escape(told.text)}</p>{said}", [(again, "Sign in again")], cookies)


def page(
    status: int, title: str, content: str, links: list[tuple[str, str]], cookies: tuple[Cookie, ...] = ()
) -> Answer:
    """Return a page; *content* is HTML, all else is text."""
    places = [*links, ("/", "Back to the start")]
    nav = "".join(
        f'<a{"" if place else " class=first"} href="{escape(href)}">{escape(text)}</a>'
        for place, (href, text) in enumerate(places)
    )
    body = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{content}
<nav aria-label="What to do">{nav}</nav>
</main>
</body>
</html>
"""
    return Answer(status=status, headers=_HEADERS, body=body.encode(), cookies=cookies)


def _told(error: BitbucketAuthError) -> _Told:
    match error:
        case AccessDeniedError():
            return _DENIED
        case AuthorizationError():
            return _BUSY if error.error in _PASSING else _REFUSED
        case CallbackError():
            return _STALE
        case InvalidGrantError():
            return _SPENT
        case _:
            return _BUSY if error.retryable else _BROKEN
