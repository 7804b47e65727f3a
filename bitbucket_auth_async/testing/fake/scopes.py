"""Scopes: which of them imply others, and which a client may request."""

from bitbucket_auth_async.testing.fake.registry import RegisteredClient
from bitbucket_auth_async.testing.fake.responses import Refusal

# All implications that Bitbucket documents. They are repeated here so that the fake does not depend on the package
# that it tests. https://developer.atlassian.com/cloud/bitbucket/rest/intro/
_IMPLIED = {
    "project": ("repository",),
    "repository:write": ("repository",),
    "pullrequest": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write"),
    "issue:write": ("issue",),
    "snippet:write": ("snippet",),
}


def with_implied(scope: frozenset[str]) -> frozenset[str]:
    """Return these scopes and all scopes they imply."""
    found = set(scope)
    queue = list(scope)
    while queue:
        for implied in _IMPLIED.get(queue.pop(), ()):
            if implied not in found:
                found.add(implied)
                queue.append(implied)
    return frozenset(found)


def granted_scope(client: RegisteredClient, asked: str | None, within: frozenset[str] | None = None) -> frozenset[str]:
    """Return the granted scope: the requested part of the registered scope, or all of it if none was requested.

    Raises:
        Refusal: A requested scope is not registered for the client, or not part of the sign-in.
    """
    whole = client.scope if within is None else within
    wanted = frozenset((asked or "").split())
    if not wanted:
        return whole
    if not wanted <= with_implied(whole):
        unknown = " ".join(sorted(wanted - with_implied(whole)))
        raise Refusal(error="invalid_scope", description=f"Invalid scope: {unknown}")
    return wanted
