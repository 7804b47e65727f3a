"""Who a token speaks for, as Bitbucket's API says it."""

from http import HTTPStatus
from typing import NamedTuple

import aiohttp

from bitbucket_auth_async.bearer.authorization import authorization_header
from bitbucket_auth_async.bitbucket.addresses import USER_PATH
from bitbucket_auth_async.cli.terminal.outcome import printable
from bitbucket_auth_async.oauth2.json_types import is_mapping
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.runtime.environment_proxy import environment_proxy

_PATIENCE = 10.0


class Introduction(NamedTuple):
    """What the API says of a token."""

    status: int | None
    """The HTTP status; None: no answer came, or one that is not the API's."""
    name: str | None
    """Who it speaks for; None: the API does not say."""
    trouble: str
    """Why there is no status, in a word."""


async def introduced(server: AuthorizationServer, token: Token) -> Introduction:
    """Show a token to the API, and return what it says; this very token, and nothing is renewed."""
    (origin,) = server.api_origins
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout, proxy=environment_proxy(origin)) as http:
            headers = {"Authorization": authorization_header(token)}
            async with http.get(f"{origin}{USER_PATH}", headers=headers, allow_redirects=False) as response:
                if response.status != HTTPStatus.OK:
                    return Introduction(response.status, None, "")
                answer: object = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
        return Introduction(None, None, type(error).__name__)
    return Introduction(HTTPStatus.OK, _name(answer), "")


async def who(server: AuthorizationServer, token: Token) -> str | None:
    """Return the name behind a token; None: the API does not say, or does not answer."""
    return (await introduced(server, token)).name


def _name(answer: object) -> str | None:
    if not is_mapping(answer):
        return None
    names = [answer.get(field) for field in ("display_name", "nickname", "username")]
    found = [printable(name) for name in names if isinstance(name, str) and name]
    if not found:
        return None
    return found[0] if len(found) == 1 or found[1] == found[0] else f"{found[0]} ({found[1]})"
