"""Shortens a story: an undisturbed renewal takes one line."""

import re

_RENEWAL = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<at> *[\d.]+ s) +(?P<process>process [\d.]+) writes: .*, claimed$",
        r" *[\d.]+ s +(?P<process>process [\d.]+) presents (?P<token>.*)",
        r" *[\d.]+ s +(?P<process>process [\d.]+) receives (?P<token>.*)",
        r" *[\d.]+ s +(?P<process>process [\d.]+) writes: ",
        r" *[\d.]+ s +(?P<process>process [\d.]+): renewed\. ",
    )
)


def fold_renewals(lines: list[str]) -> list[str]:
    """Return the lines of a story, with the lines of each undisturbed renewal joined to one."""
    folded: list[str] = []
    index = 0
    while index < len(lines):
        found = [pattern.match(line) for pattern, line in zip(_RENEWAL, lines[index:], strict=False)]
        matches = [match for match in found if match is not None]
        if len(matches) == len(_RENEWAL) and len({match["process"] for match in matches}) == 1:
            claim, sent, received, *_ = matches
            renewal = f"renews: presents {sent['token']}, saves {received['token']}"
            folded.append(f"{claim['at']}      {claim['process']} {renewal}")
            index += len(_RENEWAL)
        else:
            folded.append(lines[index])
            index += 1
    return folded
