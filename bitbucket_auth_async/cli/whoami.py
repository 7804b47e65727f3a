"""Who a token speaks for, as Bitbucket's API says it."""

import aiohttp

from bitbucket_auth_async.bearer.policy import authorization
from bitbucket_auth_async.cli.identity import Identity
from bitbucket_auth_async.cli.outcome import printable
from bitbucket_auth_async.cli.proxies import proxy_for
from bitbucket_auth_async.oauth2.plain import is_mapping
from bitbucket_auth_async.oauth2.tokens import Token

_PATIENCE = 10.0
_OK = 200


async def who(identity: Identity, token: Token) -> str | None:
    """Return the name behind a token; None: the API does not say, or does not answer.

    It takes this very token, and renews nothing.
    """
    (origin,) = identity.manager.server.api_origins
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout, proxy=proxy_for(origin)) as http:
            headers = {"Authorization": authorization(token)}
            async with http.get(f"{origin}/2.0/user", headers=headers, allow_redirects=False) as response:
                if response.status != _OK:
                    return None
                answer: object = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return _name(answer)


def _name(answer: object) -> str | None:
    if not is_mapping(answer):
        return None
    names = [answer.get(field) for field in ("display_name", "nickname", "username")]
    found = [printable(name) for name in names if isinstance(name, str) and name]
    if not found:
        return None
    return found[0] if len(found) == 1 or found[1] == found[0] else f"{found[0]} ({found[1]})"
