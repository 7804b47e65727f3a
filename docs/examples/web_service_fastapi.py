"""The web service of `web_service` in FastAPI.

To run it against Bitbucket, set the same variables and serve it with uvicorn, whose access log stays free of codes:
`uvicorn --factory docs.examples.web_service_fastapi:app_from_env --port 8080`. To try it without Bitbucket:
`make example-fastapi`.
"""

import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from bitbucket_auth_async import (
    BITBUCKET_CLOUD,
    AuthorizationServer,
    Client,
    Event,
    EventKind,
    LoginRequiredError,
    TokenManager,
    TokenManagerPool,
    client_from_env,
)
from bitbucket_auth_async.codecs import EncryptedCodec, EncryptionKey, keys_from_env
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.web.login import Login
from bitbucket_auth_async.web.starlette import add_login, current_manager
from bitbucket_auth_async.web.static_files import STATIC

PAGES = Path(__file__).with_name("pages")
POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}


def make_app(
    client: Client,
    *,
    store: TokenStore,
    keys: list[EncryptionKey],
    redirect_uri: str,
    server: AuthorizationServer = BITBUCKET_CLOUD,
) -> FastAPI:
    """Return the application."""
    renewals: Counter[str] = Counter()

    def on_event(event: Event) -> None:
        if event.kind is EventKind.RENEWED:
            renewals[event.key] += 1

    pool = TokenManagerPool(client, store=store, server=server, on_event=on_event)
    login = Login(pool, redirect_uri=redirect_uri, keys=keys, scope={"account", "repository"})

    @asynccontextmanager
    async def alive(_app: FastAPI) -> AsyncGenerator[None]:
        async with pool, login:
            yield

    app = FastAPI(lifespan=alive, docs_url=None, redoc_url=None, openapi_url=None)
    add_login(app, login)

    async def start(request: Request) -> Response:
        try:
            await (await current_manager(request)).get_token()
        except LoginRequiredError:
            return FileResponse(PAGES / "welcome.html", headers=POLICY)
        return FileResponse(PAGES / "home.html", headers={**POLICY, "Cache-Control": "no-store"})

    async def token(manager: Annotated[TokenManager, Depends(current_manager)], response: Response) -> dict[str, Any]:
        token = await manager.get_token()
        response.headers["Cache-Control"] = "no-store"
        return {
            "now": time.time(),
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
            "lifetime": token.lifetime,
            "renewals": renewals[manager.key],
        }

    app.add_api_route("/", start, response_model=None)
    app.add_api_route("/token", token)
    app.mount("/pages", StaticFiles(directory=PAGES))
    app.mount("/client", StaticFiles(directory=STATIC))
    return app


def app_from_env() -> FastAPI:
    """Return the application that the environment describes."""
    keys = keys_from_env()
    store = FileStore(app_name="repository-board", codec=EncryptedCodec(keys))
    return make_app(client_from_env(), store=store, keys=keys, redirect_uri="http://localhost:8080/callback")
