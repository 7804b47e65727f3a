"""The browser client's files exist, export the same names, and work with a strict policy."""

import re

import pytest

from bitbucket_auth_async.web.static_files import STATIC

SCRIPT = (STATIC / "bitbucket-auth.js").read_text(encoding="utf-8")


def test_the_global_the_module_and_the_declarations_have_the_same_names() -> None:
    frozen = SCRIPT[SCRIPT.index("globalThis.bitbucketAuth = Object.freeze({") :]
    of_the_global = set(re.findall(r"^    (\w+)[:,]", frozen, re.MULTILINE))
    module = (STATIC / "bitbucket-auth.mjs").read_text(encoding="utf-8")
    of_the_module = {name for names in re.findall(r"export const \{([^}]+)\}", module) for name in names.split(", ")}
    declared = (STATIC / "bitbucket-auth.d.ts").read_text(encoding="utf-8")
    of_the_declarations = set(re.findall(r"^export (?:class|function) (\w+)", declared, re.MULTILINE))
    of_the_declarations |= set(re.findall(r"^export \{ \w+ as (\w+) \}", declared, re.MULTILINE))
    assert {name.strip() for name in of_the_module} == of_the_global == of_the_declarations


@pytest.mark.parametrize("word", ["eval(", "new Function", "innerHTML", "document.write", "jQuery", "$(", ".style."])
def test_the_script_works_with_a_strict_policy(word: str) -> None:
    assert word not in SCRIPT
