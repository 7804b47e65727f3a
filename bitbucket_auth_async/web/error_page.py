"""error_page: the page that says why a sign-in failed and what to do."""

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
from bitbucket_auth_async.web.http_messages import BrowserResponse, Cookie

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
.detail { color: var(--soft); font-size: .9rem }
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


class _Message(NamedTuple):
    status: int
    title: str
    text: str


_DENIED = _Message(403, "Access was not granted", "You declined, so nothing was stored. You can sign in at any time.")
_UNKNOWN_FLOW = _Message(
    400,
    "This sign-in can't be finished",
    "It was finished before, took longer than ten minutes, or began in another browser. If signing in again does not "
    "help, allow cookies for this site.",
)
_CODE_USED = _Message(400, "This sign-in was already used", "A sign-in works once and for a short time. Sign in again.")
_REFUSED = _Message(
    400, "Bitbucket refused the sign-in", "Sign in again. If it fails again, tell the operator of this site."
)
_BUSY = _Message(503, "Bitbucket does not respond", "Nothing is wrong with your account. Try again in a moment.")
_BROKEN = _Message(500, "Sign-in is misconfigured", "Tell the operator of this site: its log says what to fix.")
_TEMPORARY = {"temporarily_unavailable", "server_error"}


def is_for_operator(error: BitbucketAuthError) -> bool:
    """Return whether only the site's operator can fix this error."""
    return _message(error) is _BROKEN


def error_page(
    error: BitbucketAuthError, *, login: str, return_to: str = "/", cookies: tuple[Cookie, ...]
) -> BrowserResponse:
    """Return the page for a failed sign-in; it has no script and loads nothing."""
    message = _message(error)
    again = f"{login}?return_to={quote(return_to, safe='')}"
    detail = ""
    if isinstance(error, AuthorizationError) and message is _REFUSED:
        # The server's own text: shown only if the state was right, and stripped of control characters by then.
        detail = f'<p class="detail">{escape(str(error))}</p>'
    content = f"<p>{escape(message.text)}</p>{detail}"
    return page(message.status, message.title, content, [(again, "Sign in again")], cookies)


def page(
    status: int, title: str, content: str, links: list[tuple[str, str]], cookies: tuple[Cookie, ...] = ()
) -> BrowserResponse:
    """Return a page; *content* is HTML, all other arguments are plain text."""
    nav = "".join(
        f'<a{"" if number else " class=first"} href="{escape(href)}">{escape(text)}</a>'
        for number, (href, text) in enumerate([*links, ("/", "Back to the start page")])
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
    return BrowserResponse(status=status, headers=_HEADERS, body=body.encode(), cookies=cookies)


def _message(error: BitbucketAuthError) -> _Message:
    match error:
        case AccessDeniedError():
            return _DENIED
        case AuthorizationError():
            return _BUSY if error.error in _TEMPORARY else _REFUSED
        case CallbackError():
            return _UNKNOWN_FLOW
        case InvalidGrantError():
            return _CODE_USED
        case _:
            return _BUSY if error.retryable else _BROKEN
