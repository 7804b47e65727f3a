"""Each test that the page on attacks names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(Contract|tests/[\w/]+\.py)(?:::(test_\w+))?`")


def rows() -> list[str]:
    return [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| attack"))]


def test_each_attack_names_a_test_or_says_that_nothing_can_be_done() -> None:
    assert len(rows()) > 30
    assert [row for row in rows() if not NAMED.search(row) and not row.endswith("| none |")] == []


def test_each_named_test_exists() -> None:
    missing: list[str] = []
    for file, name in NAMED.findall(PAGE):
        path = ROOT / ("tests/web/login_contract.py" if file == "Contract" else file)
        if not path.is_file() or (name and f"def {name}(" not in path.read_text(encoding="utf-8")):
            missing.append(f"{file}::{name}")
    assert missing == []


def test_every_section_of_rfc_9700_that_names_an_attack_has_a_row() -> None:
    found = {int(number) for row in rows() for number in re.findall(r"^\| 4\.(\d+) ", row)}
    assert found >= set(range(1, 18))
