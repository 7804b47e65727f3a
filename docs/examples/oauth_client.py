"""A generic OAuth 2.0 client, for any server that follows RFC 6749: each of its grants, and what comes of it.

`python -m docs.examples.oauth_client GRANT` with GRANT one of code, implicit, password, client_credentials, refresh.
The server is in OAUTH_AUTHORIZATION_ENDPOINT, OAUTH_TOKEN_ENDPOINT and OAUTH_API (the origin that gets the token), the
client in BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET. What is secret is asked for, never an argument: other people
of the machine can see those. To try all grants without a server: `make example-oauth`.
"""

import asyncio
import getpass
import os
import sys
import time
from collections.abc import Awaitable, Callable

from bitbucket_auth_async import (
    AuthorizationRequest,
    AuthorizationServer,
    Client,
    ClientCredentials,
    Password,
    RefreshToken,
    Token,
    TokenManager,
    client_from_env,
)

REDIRECT_URI = "http://127.0.0.1:8372/callback"

Ask = Callable[[str], Awaitable[str]]
"""Asks the person something and returns the answer."""


async def code(client: Client, server: AuthorizationServer, ask: Ask) -> Token:
    """Let a person sign in, with PKCE (RFC 6749 section 4.1)."""
    request = AuthorizationRequest(server=server, client=client, redirect_uri=REDIRECT_URI, scope={"account"})
    callback_url = await ask(f"Open {request.url}\nWhere did the browser go? ")
    async with TokenManager(client, server=server, key="a person") as manager:
        return await manager.exchange(request.judge(callback_url))


async def implicit(client: Client, server: AuthorizationServer, ask: Ask) -> Token:
    """Let a person sign in without a token request (section 4.2): for old servers, and not renewable."""
    request = AuthorizationRequest(
        server=server, client=client, redirect_uri=REDIRECT_URI, scope={"account"}, response_type="token"
    )
    callback_url = await ask(f"Open {request.url}\nWhere did the browser go? ")
    return request.judge_implicit(callback_url, received_at=time.time())


async def password(client: Client, server: AuthorizationServer, ask: Ask) -> Token:
    """Trade a person's name and password for a token (section 4.3): for old servers, and for your own only."""
    grant = Password(await ask("Name: "), await ask("Password: "))
    async with TokenManager(client, grant=grant, server=server) as manager:
        return await manager.get_token()


async def client_credentials(client: Client, server: AuthorizationServer, _ask: Ask) -> Token:
    """Let the client speak for itself (section 4.4)."""
    async with TokenManager(client, grant=ClientCredentials(), server=server) as manager:
        return await manager.get_token()


async def refresh(client: Client, server: AuthorizationServer, ask: Ask) -> Token:
    """Take over a refresh token from elsewhere (section 6); it is spent, so keep what comes in its place."""
    async with TokenManager(client, server=server, key="a person") as manager:
        return await manager.exchange(RefreshToken(await ask("Refresh token: ")))


GRANTS = {each.__name__: each for each in (code, implicit, password, client_credentials, refresh)}


def told(token: Token) -> str:
    """Say what a token is good for, and nothing that opens anything."""
    scope = "unknown" if token.scope is None else " ".join(sorted(token.scope))
    renewable = "renewable" if token.refresh_token else "not renewable"
    return f"A token for {token.lifetime or float('nan'):.0f} s, scope {scope}, {renewable}."


async def main(name: str) -> None:
    """Get a token from the server that the environment names."""
    server = AuthorizationServer(
        authorization_endpoint=os.environ["OAUTH_AUTHORIZATION_ENDPOINT"],
        token_endpoint=os.environ["OAUTH_TOKEN_ENDPOINT"],
        api_origins=frozenset({os.environ["OAUTH_API"]}),
    )

    async def ask(question: str) -> str:
        print(question, flush=True)
        return await asyncio.to_thread(getpass.getpass, "> ")

    print(told(await GRANTS[name](client_from_env(), server, ask)))


if __name__ == "__main__":
    if sys.argv[1:] not in [[name] for name in GRANTS]:
        sys.exit(f"Which grant? One of {', '.join(GRANTS)}.")
    asyncio.run(main(sys.argv[1]))
