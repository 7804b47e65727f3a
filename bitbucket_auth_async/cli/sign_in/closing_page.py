"""The page that the browser shows when the sign-in has ended."""

from html import escape
from http import HTTPStatus

_STYLE = """
:root { color-scheme: light dark; --ink: #172b4d; --paper: #fff; --ground: #f4f5f7; --line: #dfe1e6 }
@media (prefers-color-scheme: dark) { :root { --ink: #dee4ea; --paper: #22272b; --ground: #161a1d; --line: #38414a } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--ink);
       font: 1rem/1.5 system-ui, sans-serif }
main { width: min(26rem, 90%); padding: 2rem; background: var(--paper); border: 1px solid var(--line);
       border-radius: .75rem }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.3 }
p { margin: 0 }
"""


def closing_page(title: str, text: str, *, status: int) -> bytes:
    """Return the HTTP response: no scripts, no other resources, no caching, no referrer."""
    body = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>\n</main>\n"
        "</body>\n</html>\n"
    ).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
