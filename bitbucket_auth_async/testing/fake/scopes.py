"""Which scopes a client may ask for, and what each of them includes."""

from bitbucket_auth_async.testing.fake.registry import RegisteredClient
from bitbucket_auth_async.testing.fake.responses import Refusal

# All implications that Bitbucket documents, and no other; copied in full so that the fake judges independently of the
# package that it tests. https://developer.atlassian.com/cloud/bitbucket/rest/intro/
_IMPLIED = {
    "project": ("repository",),
    "repository:write": ("repository",),
    "pullrequest": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write"),
    "issue:write": ("issue",),
    "snippet:write": ("snippet",),
}


def with_implied(scope: frozenset[str]) -> frozenset[str]:
    """Return these scopes and all that they include."""
    found = set(scope)
    queue = list(scope)
    while queue:
        for implied in _IMPLIED.get(queue.pop(), ()):
            if implied not in found:
                found.add(implied)
                queue.append(implied)
    return frozenset(found)


def granted_scope(client: RegisteredClient, asked: str | None, within: frozenset[str] | None = None) -> frozenset[str]:
    """Return what is granted: all that the registration says, or the part of it that was asked for.

    Raises:
        Refusal: More was asked for than the client, or the sign-in, has.
    """
    whole = client.scope if within is None else within
    wanted = frozenset((asked or "").split())
    if not wanted:
        return whole
    if not wanted <= with_implied(whole):
        unknown = " ".join(sorted(wanted - with_implied(whole)))
        raise Refusal(error="invalid_scope", description=f"Invalid scope: {unknown}")
    return wanted
