"""How a story is told: what went as it should takes one line."""

import re

_RENEWAL = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<at> *[\d.]+ s) +(?P<who>process [\d.]+) writes: .*, claimed$",
        r" *[\d.]+ s +(?P<who>process [\d.]+) presents (?P<what>.*)",
        r" *[\d.]+ s +(?P<who>process [\d.]+) receives (?P<what>.*)",
        r" *[\d.]+ s +(?P<who>process [\d.]+) writes: ",
        r" *[\d.]+ s +(?P<who>process [\d.]+): renewed\. ",
    )
)


def folded(lines: list[str]) -> list[str]:
    """Return the lines of a story, each renewal that nothing came between in one."""
    told: list[str] = []
    index = 0
    while index < len(lines):
        found = [pattern.match(line) for pattern, line in zip(_RENEWAL, lines[index:], strict=False)]
        matches = [match for match in found if match is not None]
        if len(matches) == len(_RENEWAL) and len({match["who"] for match in matches}) == 1:
            claim, asked, came, *_ = matches
            told.append(f"{claim['at']}      {claim['who']} renews: presents {asked['what']}, saves {came['what']}")
            index += len(_RENEWAL)
        else:
            told.append(lines[index])
            index += 1
    return told
