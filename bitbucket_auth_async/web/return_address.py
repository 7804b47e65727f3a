"""Where a browser may be sent after a sign-in: paths of this site, and nothing that a browser reads as more."""

from typing import Final
from urllib.parse import unquote

_LONGEST: Final = 1024


def local_path(text: str) -> str | None:
    r"""Return *text* if it is a path of this site, query included; else None.

    Refused are whole addresses, `//host` and all that a browser, or a proxy that decodes, could take for it (`/\host`,
    `/%2fhost`, `/./%5chost`), control characters, blanks and what is not ASCII.
    """
    if not text.startswith("/") or len(text) > _LONGEST:
        return None
    if not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        return None
    path = text.partition("?")[0]
    # Twice: what a proxy decodes, a program behind it may decode again.
    once = unquote(path)
    for form in (path, once, unquote(once)):
        if not form.isprintable() or "\\" in form or "//" in form:
            return None
        if any(part in {".", ".."} for part in form.split("/")):
            return None
    return text
