"""The account of a token, from Bitbucket's API."""

from http import HTTPStatus
from typing import NamedTuple

import aiohttp

from bitbucket_auth_async.bearer.authorization import authorization_header
from bitbucket_auth_async.bitbucket.addresses import USER_PATH
from bitbucket_auth_async.cli.terminal.output import printable
from bitbucket_auth_async.oauth2.json_types import is_mapping
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.runtime.environment_proxy import environment_proxy

_PATIENCE = 10.0


class WhoAmI(NamedTuple):
    """The API's answer to `GET /2.0/user` with a token."""

    status: int | None
    """The HTTP status; None: no usable answer arrived."""
    name: str | None
    """The user's name; None: the API does not tell it."""
    error: str
    """Name of the error, if there is no status."""


async def whoami(server: AuthorizationServer, token: Token) -> WhoAmI:
    """Ask the API for the account of this token; it is not renewed."""
    (origin,) = server.api_origins
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout, proxy=environment_proxy(origin)) as http:
            headers = {"Authorization": authorization_header(token)}
            async with http.get(f"{origin}{USER_PATH}", headers=headers, allow_redirects=False) as response:
                if response.status != HTTPStatus.OK:
                    return WhoAmI(response.status, None, "")
                answer: object = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
        return WhoAmI(None, None, type(error).__name__)
    return WhoAmI(HTTPStatus.OK, _name(answer), "")


async def user_name(server: AuthorizationServer, token: Token) -> str | None:
    """Return the user's name for a token; None: the API does not tell it, or does not answer."""
    return (await whoami(server, token)).name


def _name(answer: object) -> str | None:
    if not is_mapping(answer):
        return None
    names = [answer.get(field) for field in ("display_name", "nickname", "username")]
    found = [printable(name) for name in names if isinstance(name, str) and name]
    if not found:
        return None
    return found[0] if len(found) == 1 or found[1] == found[0] else f"{found[0]} ({found[1]})"
