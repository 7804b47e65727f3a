"""safe_return_path: prevents open redirects after a sign-in."""

from typing import Final
from urllib.parse import unquote

_MAX_LENGTH: Final = 1024


def safe_return_path(text: str) -> str | None:
    r"""Return *text* if it is a path of this site, with or without a query; otherwise None.

    It refuses full URLs and everything that a browser, or a proxy that decodes, could read as `//host` (`/\host`,
    `/%2fhost`, `/./%5chost`). It also refuses control characters, spaces and non-ASCII characters.
    """
    if not text.startswith("/") or len(text) > _MAX_LENGTH:
        return None
    if not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        return None
    path = text.partition("?")[0]
    # Decoded twice: a program behind a decoding proxy may decode again.
    once = unquote(path)
    for form in (path, once, unquote(once)):
        if not form.isprintable() or "\\" in form or "//" in form:
            return None
        if any(part in {".", ".."} for part in form.split("/")):
            return None
    return text
