"""The page on errors has an entry with cause and cure for each exported error."""

import re
from pathlib import Path

import pytest

import bitbucket_auth_async
import bitbucket_auth_async.api.errors as api_errors
import bitbucket_auth_async.errors as core_errors
from bitbucket_auth_async import BitbucketAuthError, api

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "when-it-goes-wrong.md").read_text(encoding="utf-8")
ENTRIES = {
    found[1]: found[2]
    for found in re.finditer(r"^#{2,3} (\w+Error)\n(.*?)(?=^#|^\(|\Z)", PAGE, re.DOTALL | re.MULTILINE)
}


def errors() -> dict[str, type[BitbucketAuthError]]:
    """Return every error that the package or its API session exports, by name."""
    exported = {name: getattr(bitbucket_auth_async, name) for name in bitbucket_auth_async.__all__}
    exported |= {name: getattr(api, name) for name in api.__all__}
    return {
        name: what for name, what in exported.items() if isinstance(what, type) and issubclass(what, BitbucketAuthError)
    }


@pytest.mark.parametrize("name", sorted(errors()))
def test_each_exported_error_has_an_entry(name: str) -> None:
    assert name in ENTRIES
    assert f"(e-{name.lower()})=" in PAGE, "give it an anchor that does not change"


@pytest.mark.parametrize("name", sorted(errors().keys() - {"BitbucketAuthError"}))
def test_an_entry_has_cause_and_cure(name: str) -> None:
    cause, cure = ENTRIES[name].index("*Cause.*"), ENTRIES[name].index("*Cure.*")
    assert cause < cure


def test_each_entry_is_about_an_exported_error() -> None:
    assert ENTRIES.keys() == errors().keys()


def test_every_error_class_is_exported() -> None:
    there = {
        name for module in (core_errors, api_errors) for name, what in vars(module).items() if isinstance(what, type)
    }
    assert {name for name in there if name.endswith("Error")} == errors().keys()
