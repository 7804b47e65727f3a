"""RestApi: the fake's part of the REST API: user, addresses, workspaces and repositories."""

import logging
import math
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from bitbucket_auth_async.oauth2.http_messages import Response
from bitbucket_auth_async.testing.fake.issued_tokens import AccessToken, IssuedTokens
from bitbucket_auth_async.testing.fake.registry import Person, RegisteredClient
from bitbucket_auth_async.testing.fake.responses import api_error, api_response
from bitbucket_auth_async.testing.fake.scopes import with_implied
from bitbucket_auth_async.testing.fake.server_rules import ServerRules

_log = logging.getLogger(__name__)

_MAX_PAGE = 100
_CLOCK_DIFFERENCE = 60.0
"""Seconds; a clock further from the system's is taken for another clock."""
_REMOVED = frozenset(
    {"/2.0/workspaces", "/2.0/repositories", "/2.0/user/permissions/workspaces", "/2.0/user/permissions/repositories"}
)


@dataclass(slots=True)
class RestApi:
    """The API at api.bitbucket.org."""

    rules: ServerRules
    issued: IssuedTokens
    repositories: int = 25
    """Number of repositories in each workspace."""
    base_url: str = "https://api.bitbucket.org"
    """Origin of `next` links."""

    def answer(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """Return the response to one request; header names are in lower case."""
        token = self.issued.presented(headers.get("authorization", ""))
        if token is None or not self.issued.is_live(token):
            return self._unauthorized(token)
        if path == "/2.0/user":
            need = "account"
        elif path == "/2.0/user/emails":
            need = "email"
        elif path == "/2.0/user/workspaces":
            need = "account"
        elif path in _REMOVED:
            return _removed()
        elif path.startswith("/2.0/repositories/"):
            need = "repository"
        else:
            return api_error(404, "Resource not found")
        more = {"x-oauth-scopes": token.scope_header, "x-accepted-oauth-scopes": need}
        if need not in token.scope and need not in with_implied(token.scope):
            detail = {"required": [need], "granted": sorted(token.scope)}
            text = "Your credentials lack one or more required privilege scopes."
            return api_error(403, text, headers=more, detail=detail)
        if method not in {"GET", "HEAD"}:
            return api_error(405, "Method not allowed", headers=more)
        return self._resource(token, path, query, more)

    def _unauthorized(self, token: AccessToken | None) -> Response:
        headers = {"www-authenticate": 'Bearer realm="Bitbucket.org HTTP"'}
        made = token is not None and token.text in self.issued.user_tokens
        if token is None or made or token.family.revoked or self.issued.wall() < token.expires_at:
            return api_error(401, "Token is invalid, expired, or not supported for this endpoint.", headers=headers)
        kind = "Access" if self.rules.legacy else "OAuth2 access"
        text = f"{kind} token expired. Use your refresh token to obtain a new access token."
        # A manager on the fake's clock never sends an expired token, except after expire_access_tokens().
        if not token.revoked and abs(self.issued.wall() - time.time()) > _CLOCK_DIFFERENCE:
            _log.warning(
                "A request has a token that is expired by the fake's clock. Pass the same clock= to your TokenManager."
            )
        return api_error(401, text, headers=headers)

    def _resource(self, token: AccessToken, path: str, query: Mapping[str, str], more: Mapping[str, str]) -> Response:
        person, client = token.family.person, token.family.client
        if path == "/2.0/user":
            return api_response(_principal(person, client), headers=more)
        if path == "/2.0/user/emails":
            return self._page(path, query, _emails(person), more)
        if path == "/2.0/user/workspaces":
            return self._page(path, query, [_workspace(client.workspace)], more)
        workspace, _, slug = path.removeprefix("/2.0/repositories/").strip("/").partition("/")
        if slug:
            known = {f"{workspace}-{number}": number for number in range(1, self.repositories + 1)}
            if slug not in known:
                return api_error(404, f"Repository {workspace}/{slug} not found", headers=more)
            return api_response(_repository(workspace, known[slug]), headers=more)
        return self._page(path, query, _Repositories(workspace, self.repositories), more)

    def _page(self, path: str, query: Mapping[str, str], rows: Any, more: Mapping[str, str]) -> Response:  # noqa: ANN401  - any value with a length and slices
        try:
            length, number = int(query.get("pagelen", "10")), int(query.get("page", "1"))
        except ValueError:
            return api_error(400, "Invalid page", headers=more)
        size = len(rows)
        last = max(math.ceil(size / length), 1) if length > 0 else 0
        if not 1 <= length <= _MAX_PAGE or not 1 <= number <= last:
            return api_error(400, "Invalid page", headers=more)
        answer = {
            "pagelen": length,
            "size": size,
            "page": number,
            "values": rows[(number - 1) * length : number * length],
        }
        for name, other in (("next", number + 1), ("previous", number - 1)):
            if 1 <= other <= last:
                answer[name] = f"{self.base_url}{quote(path)}?{urlencode({**query, 'page': other})}"
        return api_response(answer, headers=more)


@dataclass(frozen=True, slots=True)
class _Repositories:
    """Generated repositories, created only for the requested page."""

    workspace: str
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> list[dict[str, Any]]:
        return [_repository(self.workspace, number + 1) for number in range(self.count)[part]]


def _uuid(*names: object) -> str:
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, names)))) + "}"


def _repository(workspace: str, number: int) -> dict[str, Any]:
    slug = f"{workspace}-{number}"
    return {
        "type": "repository",
        "uuid": _uuid("repository", workspace, number),
        "full_name": f"{workspace}/{slug}",
        "name": slug,
        "slug": slug,
        "scm": "git",
        "is_private": number % 2 == 0,
        "workspace": _workspace(workspace),
    }


def _workspace(slug: str) -> dict[str, Any]:
    return {"type": "workspace", "uuid": _uuid("workspace", slug), "slug": slug, "name": slug.title()}


def _principal(person: Person | None, client: RegisteredClient) -> dict[str, Any]:
    if person is None:
        # Since 2026-05-04 a client_credentials token belongs to the client itself, not to its owner.
        key = client.client_id
        return {
            "type": "app_user",
            "uuid": _uuid("app", key),
            "account_id": _uuid("app-account", key),
            "account_status": "active",
            "kind": "app",
            "display_name": key,
        }
    return {
        "type": "user",
        "uuid": _uuid("user", person.username),
        "account_id": _uuid("account", person.username),
        "account_status": "active",
        "username": person.username,
        "nickname": person.username,
        "display_name": person.display_name,
    }


def _emails(person: Person | None) -> list[dict[str, Any]]:
    addresses = () if person is None else person.emails
    return [
        {"type": "email", "email": address, "is_primary": number == 0, "is_confirmed": True}
        for number, address in enumerate(addresses)
    ]


def _removed() -> Response:
    message = "CHANGE-2770 - Functionality has been deprecated"
    url = "https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-2770"
    detail = "This endpoint has been removed; ask for one workspace instead."
    return api_error(410, message, detail=detail, data={"announcement_url": url})
