"""account_id: asks the API whose token was just issued."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from bitbucket_auth_async.bearer.authorization import authorization_header
from bitbucket_auth_async.bitbucket.addresses import USER_PATH
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, UnavailableError
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.json_types import is_mapping
from bitbucket_auth_async.oauth2.tokens import Token

Identify = Callable[[Token], Awaitable[str]]
"""Returns the key under which a new token is stored: a stable name of the person who signed in."""

_OK, _UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 200, 401, 403, 429, 500
_MAX_LENGTH = 200
_TIMEOUT = 30.0


async def account_id(resources: SharedResources, token: Token) -> str:
    """Return the person's Atlassian account id from Bitbucket's `/2.0/user`.

    Raises:
        ConfigurationError: The token lacks the scope `account`, or the response has no account id.
        UnavailableError: The API is down or busy; the same sign-in may succeed later.
        TransportError: No response arrived.
    """
    origin = min(resources.server.api_origins)
    headers = {"Authorization": authorization_header(token), "Accept": "application/json"}
    request = Request(url=f"{origin}{USER_PATH}", headers=headers, body=b"", method="GET")
    response = await resources.transport.send(request, timeout=_TIMEOUT)
    if response.status != _OK:
        raise _refusal(response, token)
    found = _object(response).get("account_id")
    if not isinstance(found, str) or not found or not found.isprintable() or len(found) > _MAX_LENGTH:
        msg = f"{origin}{USER_PATH} returned no account_id. If this is not Bitbucket Cloud, pass identify= to Login."
        raise ConfigurationError(msg)
    return found


def _refusal(response: Response, token: Token) -> BitbucketAuthError:
    if response.status == _FORBIDDEN:
        granted = "unknown scopes" if token.scope is None else " ".join(sorted(token.scope)) or "no scope"
        return ConfigurationError(
            f"The sign-in succeeded, but {USER_PATH} answered 403: the token needs the scope account, and it has "
            f"{granted}. Tick Account: Read in the OAuth consumer and request the scope account, or pass identify= to "
            "Login."
        )
    if response.status == _TOO_MANY or response.status >= _SERVER_ERROR:
        return UnavailableError(f"{USER_PATH} answered {response.status}.", status=response.status)
    reason = "it refused the new token" if response.status == _UNAUTHORIZED else "this does not identify the person"
    return ConfigurationError(
        f"{USER_PATH} answered {response.status}: {reason}. If this is not Bitbucket Cloud, pass identify= to Login."
    )


def _object(response: Response) -> "dict[str, Any]":
    try:
        content = json.loads(response.body)
    except (ValueError, RecursionError):
        content = None
    return dict(content) if is_mapping(content) else {}
