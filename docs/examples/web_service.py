"""A web service with sign-in on aiohttp: who you are, your repositories, and a token that renews itself.

To run it against Bitbucket, set BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET (the consumer's callback URL is
http://localhost:8080/callback) and BITBUCKET_AUTH_ENCRYPTION_KEYS, then `python -m docs.examples.web_service`. To try
it without Bitbucket: `make example-web`.
"""

import time
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

from aiohttp import web

from bitbucket_auth_async import (
    BITBUCKET_CLOUD,
    AuthorizationServer,
    Client,
    Event,
    EventKind,
    LoginRequiredError,
    TokenManagerPool,
    client_from_env,
)
from bitbucket_auth_async.codecs import EncryptedCodec, EncryptionKey, keys_from_env
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.web.aiohttp import add_login, current_manager
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.static_files import STATIC

PAGES = Path(__file__).with_name("pages")
POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}


class Service:
    """The handlers, and how often each person's token was renewed."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.renewals: Counter[str] = Counter()

    def on_event(self, event: Event) -> None:
        """Count renewals."""
        if event.kind is EventKind.RENEWED:
            self.renewals[event.key] += 1

    async def start(self, request: web.Request) -> web.StreamResponse:
        """Show the board, or to who is not signed in how to get there."""
        try:
            await (await current_manager(request)).get_token()
        except LoginRequiredError:
            return web.FileResponse(PAGES / "welcome.html", headers=POLICY)
        return web.FileResponse(PAGES / "home.html", headers={**POLICY, "Cache-Control": "no-store"})

    async def token(self, request: web.Request) -> web.Response:
        """Tell how long the token is still good, and nothing else of it."""
        manager = await current_manager(request)
        token = await manager.get_token()
        return web.json_response(
            {
                "now": time.time(),
                "issued_at": token.issued_at,
                "expires_at": token.expires_at,
                "lifetime": token.lifetime,
                "renewals": self.renewals[manager.key],
            },
            headers={"Cache-Control": "no-store"},
        )


def make_app(
    client: Client,
    *,
    store: TokenStore,
    keys: list[EncryptionKey],
    redirect_uri: str,
    server: AuthorizationServer = BITBUCKET_CLOUD,
) -> web.Application:
    """Return the application."""
    service = Service()
    pool = TokenManagerPool(client, store=store, server=server, on_event=service.on_event)
    login = Login(pool, redirect_uri=redirect_uri, keys=keys, scope={"account", "repository"})

    async def alive(_app: web.Application) -> AsyncGenerator[None]:
        async with pool, login:
            yield

    app = web.Application()
    app.cleanup_ctx.append(alive)
    add_login(app, login)
    app.router.add_get("/", service.start)
    app.router.add_get("/token", service.token)
    app.router.add_static("/pages", PAGES)
    app.router.add_static("/client", STATIC)
    return app


def main() -> None:
    """Serve on port 8080 until SIGTERM or Ctrl-C."""
    keys = keys_from_env()
    store = FileStore(app_name="repository-board", codec=EncryptedCodec(keys))
    app = make_app(client_from_env(), store=store, keys=keys, redirect_uri="http://localhost:8080/callback")
    web.run_app(app, host="localhost", port=8080)


if __name__ == "__main__":
    main()
