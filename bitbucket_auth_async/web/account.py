"""Who has signed in: asked of the API with the new token, before anything is stored."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from bitbucket_auth_async.bearer.authorization import authorization_header
from bitbucket_auth_async.bitbucket.addresses import USER_PATH
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, UnavailableError
from bitbucket_auth_async.manager.shared import Resources
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.json_types import is_mapping
from bitbucket_auth_async.oauth2.tokens import Token

Identify = Callable[[Token], Awaitable[str]]
"""Names the person that a new token belongs to: the key under which it is stored."""

_OK, _UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 200, 401, 403, 429, 500
_LONGEST = 200
_SECONDS = 30.0


async def account_id(resources: Resources, token: Token) -> str:
    """Return the person's Atlassian account id, as Bitbucket's `/2.0/user` tells it.

    Raises:
        ConfigurationError: The token may not ask (it needs the scope `account`), or the answer names nobody.
        UnavailableError: The API is out of order; the same sign-in may work later.
        TransportError: No answer came.
    """
    origin = min(resources.server.api_origins)
    headers = {"Authorization": authorization_header(token), "Accept": "application/json"}
    request = Request(url=f"{origin}{USER_PATH}", headers=headers, body=b"", method="GET")
    response = await resources.transport.send(request, timeout=_SECONDS)
    if response.status != _OK:
        raise _refusal(response, token)
    found = _object(response).get("account_id")
    if not isinstance(found, str) or not found or not found.isprintable() or len(found) > _LONGEST:
        msg = f"{origin}/2.0/user names no account_id. Is this Bitbucket Cloud? If not, give Login an identify= for it."
        raise ConfigurationError(msg)
    return found


def _refusal(response: Response, token: Token) -> BitbucketAuthError:
    if response.status == _FORBIDDEN:
        granted = "unknown scopes" if token.scope is None else " ".join(sorted(token.scope)) or "no scope"
        return ConfigurationError(
            f"The person signed in, but /2.0/user answered 403: to learn who it is, the token needs the scope account, "
            f"and it has {granted}. Tick Account: Read in the OAuth consumer and ask for the scope account, or give "
            "Login an identify= that does without."
        )
    if response.status == _TOO_MANY or response.status >= _SERVER_ERROR:
        return UnavailableError(f"/2.0/user answered {response.status}.", status=response.status)
    told = "the new token is refused there" if response.status == _UNAUTHORIZED else "nobody can be told from that"
    return ConfigurationError(
        f"/2.0/user answered {response.status}: {told}. If this is not Bitbucket Cloud, give Login an identify= for it."
    )


def _object(response: Response) -> "dict[str, Any]":
    try:
        content = json.loads(response.body)
    except (ValueError, RecursionError):
        content = None
    return dict(content) if is_mapping(content) else {}
