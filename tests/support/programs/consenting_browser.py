"""A browser for tests: it answers the fake's question as BROWSER_SAYS tells, and follows the redirect.

`BROWSER` names it where the command line is a process of its own; where it is not, `visit` is called.
"""

import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path


def visit(url: str) -> None:
    address, _, query = url.partition("?")
    answers = {**dict(urllib.parse.parse_qsl(query)), "decision": os.environ.get("BROWSER_SAYS", "allow")}
    shown_in = os.environ.get("BROWSER_SHOWS")
    try:
        with urllib.request.urlopen(address, urllib.parse.urlencode(answers).encode(), timeout=30) as response:  # noqa: S310 - the fake's
            shown = response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            shown = error.read().decode()
    if shown_in is not None:
        Path(shown_in).write_text(shown, encoding="utf-8")


if __name__ == "__main__":
    visit(sys.argv[1])
