"""SCOPES: the OAuth scopes of Bitbucket Cloud (July 2026), what each implies, and whether a token covers a request.

Sources: https://developer.atlassian.com/cloud/bitbucket/rest/intro/#bitbucket-oauth-2-0-scopes, and
https://api.bitbucket.org/swagger.json. Only documented implications count: where the page says "read and modify" but
names no implied scope (`account:write`, `pipeline:write`, `runner:write` and others), request both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope as Bitbucket Cloud documents it."""

    allows: str
    """The permissions of a token with this scope."""
    implies: frozenset[str] = frozenset()
    """Scopes that are included."""
    served: bool = True
    """Whether an endpoint of the API still requires it."""


def _scope(allows: str, *implies: str, served: bool = True) -> Scope:
    return Scope(allows, frozenset(implies), served)


SCOPES: Final[Mapping[str, Scope]] = MappingProxyType(
    {
        "account": _scope("Read the user's profile, addresses, SSH keys and groups, and a workspace's members."),
        "account:write": _scope("Change the user's account, including its deletion."),
        "email": _scope("Read the user's primary e-mail address."),
        # The issue tracker and the wikis were announced to end on 2026-08-20:
        # https://community.atlassian.com/forums/Bitbucket-articles/Announcing-sunset-of-Bitbucket-Issues-and-Wikis/ba-p/3193882
        "issue": _scope("Read issues, create new ones, comment, watch and vote.", served=False),
        "issue:write": _scope("Change and delete issues.", "issue", served=False),
        "pipeline": _scope("Read pipelines, their steps, deployment environments and variables."),
        "pipeline:variable": _scope("Create and change the variables of pipelines."),
        "pipeline:write": _scope("Start, stop and repeat pipelines."),
        "project": _scope("Read projects and the repositories in them.", "repository"),
        "project:admin": _scope("Create, change and delete projects; neither reads nor writes repositories."),
        # Superseded on 2023-05-15: https://developer.atlassian.com/cloud/bitbucket/deprecation-notice-project-write-scope/
        "project:write": _scope("Formerly: change projects and move repositories between them.", served=False),
        "pullrequest": _scope("Read pull requests, comment on them and approve them.", "repository"),
        "pullrequest:write": _scope("Create, decline and merge pull requests.", "pullrequest", "repository:write"),
        "repository": _scope("Read and clone repositories."),
        "repository:admin": _scope("Change settings and permissions of repositories; neither reads nor writes them."),
        "repository:delete": _scope("Delete repositories."),
        "repository:write": _scope("Push to repositories and fork them.", "repository"),
        "runner": _scope("Read the runners of pipelines."),
        "runner:write": _scope("Create, change and delete runners."),
        "snippet": _scope("Read snippets and comment on them."),
        "snippet:write": _scope("Create, change and delete snippets.", "snippet"),
        "team": _scope("Formerly: read the membership of teams.", served=False),
        "team:write": _scope("Formerly: change the membership of teams.", served=False),
        "test": _scope("Read test data; no endpoint requires it.", served=False),
        "test:write": _scope("Change test data; no endpoint requires it.", served=False),
        "webhook": _scope("Create and delete webhooks; the read scopes of their events are needed too."),
        "wiki": _scope("Read, change and clone wikis.", served=False),
    }
)
"""All scopes of Bitbucket Cloud by name, as of July 2026.

:meta hide-value:
"""


def with_implied(names: Iterable[str]) -> frozenset[str]:
    """Return *names* and all scopes that they imply, directly or not; an unknown name implies nothing."""
    found: set[str] = set()
    pending = set(names)
    while pending:
        name = pending.pop()
        found.add(name)
        pending |= SCOPES[name].implies - found if name in SCOPES else frozenset()
    return frozenset(found)


def missing_scopes(granted: Iterable[str], asked: Iterable[str]) -> frozenset[str]:
    """Return the scopes in *asked* that are neither granted nor implied by a granted one."""
    return frozenset(asked) - with_implied(granted)


def covers(granted: Iterable[str], asked: Iterable[str]) -> bool:
    """Return whether a token with the scopes *granted* has all scopes in *asked*."""
    return not missing_scopes(granted, asked)


def unknown_scopes(names: Iterable[str]) -> frozenset[str]:
    """Return the names that are not in SCOPES: misspelled, or newer than this list."""
    return frozenset(names) - SCOPES.keys()
