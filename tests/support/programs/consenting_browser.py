"""A browser for tests: answers the fake's question as BROWSER_SAYS tells, and follows where it leads."""

import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path


def main(url: str) -> None:
    address, _, query = url.partition("?")
    answers = {**dict(urllib.parse.parse_qsl(query)), "decision": os.environ.get("BROWSER_SAYS", "allow")}
    try:
        with urllib.request.urlopen(address, urllib.parse.urlencode(answers).encode(), timeout=30) as response:  # noqa: S310 - the fake's
            shown = response.read().decode()
    except urllib.error.HTTPError as error:
        shown = error.read().decode()
    if "BROWSER_SHOWS" in os.environ:
        Path(os.environ["BROWSER_SHOWS"]).write_text(shown, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
