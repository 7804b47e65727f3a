"""The 27 scopes, what they imply, and whether a token covers a request."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.bitbucket.scopes import SCOPES, covers, missing_scopes, unknown_scopes, with_implied

IMPLIED = {
    "project": {"repository"},
    "repository:write": {"repository"},
    "pullrequest": {"repository"},
    "pullrequest:write": {"pullrequest", "repository:write"},
    "issue:write": {"issue"},
    "snippet:write": {"snippet"},
}
NO_LONGER_SERVED = {"issue", "issue:write", "wiki", "project:write", "team", "team:write", "test", "test:write"}
NAMES = [
    "account",
    "account:write",
    "email",
    "issue",
    "issue:write",
    "pipeline",
    "pipeline:variable",
    "pipeline:write",
    "project",
    "project:admin",
    "project:write",
    "pullrequest",
    "pullrequest:write",
    "repository",
    "repository:admin",
    "repository:delete",
    "repository:write",
    "runner",
    "runner:write",
    "snippet",
    "snippet:write",
    "team",
    "team:write",
    "test",
    "test:write",
    "webhook",
    "wiki",
]
MANY = st.frozensets(st.sampled_from([*NAMES, "new:scope"]))


def test_there_are_27_scopes_with_a_description_each() -> None:
    assert sorted(SCOPES) == NAMES
    assert len(NAMES) == 27
    for scope in SCOPES.values():
        assert scope.allows.endswith(".")
        assert len(scope.allows) > 10


def test_only_documented_implications_count() -> None:
    assert {name: set(scope.implies) for name, scope in SCOPES.items() if scope.implies} == IMPLIED


def test_scopes_that_no_endpoint_requires_are_marked() -> None:
    assert {name for name, scope in SCOPES.items() if not scope.served} == NO_LONGER_SERVED


def test_the_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        SCOPES["x"] = SCOPES["wiki"]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  - that is the point


@pytest.mark.parametrize(
    "names, all_of_them",
    [
        ([], set[str]()),
        (["email"], {"email"}),
        (["pullrequest"], {"pullrequest", "repository"}),
        (["pullrequest:write"], {"pullrequest:write", "pullrequest", "repository:write", "repository"}),
        (["repository:admin"], {"repository:admin"}),
        (["project:admin"], {"project:admin"}),
        (["new:scope", "project"], {"new:scope", "project", "repository"}),
    ],
)
def test_implied_scopes_are_followed_recursively(names: Iterable[str], all_of_them: set[str]) -> None:
    assert with_implied(names) == all_of_them


@pytest.mark.parametrize(
    "granted, asked, missing",
    [
        ({"pullrequest:write"}, {"repository", "repository:write"}, set[str]()),
        ({"repository:write"}, {"pullrequest", "repository"}, {"pullrequest"}),
        ({"account:write"}, {"account"}, {"account"}),
        (set[str](), {"account"}, {"account"}),
        ({"account"}, set[str](), set[str]()),
        ({"new:scope"}, {"new:scope"}, set[str]()),
        (["email"], ("email", "team"), {"team"}),
    ],
)
def test_missing_scopes_are_those_not_granted_or_implied(
    granted: Iterable[str], asked: Iterable[str], missing: set[str]
) -> None:
    assert missing_scopes(granted, asked) == missing
    assert covers(granted, asked) is not bool(missing)


def test_unknown_names_are_returned() -> None:
    assert unknown_scopes(["account", "acount", "new:scope"]) == {"acount", "new:scope"}
    assert unknown_scopes([]) == frozenset()


@given(MANY, MANY)
def test_adding_scopes_never_reduces_what_is_covered(one: frozenset[str], other: frozenset[str]) -> None:
    assert covers(one, one)
    assert with_implied(with_implied(one)) == with_implied(one)
    assert with_implied(one | other) == with_implied(one) | with_implied(other)
    assert missing_scopes(one | other, NAMES) <= missing_scopes(one, NAMES)
