"""One small application for each framework: `/` is public, `/me` needs a session."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import uvicorn
from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bitbucket_auth_async.web import aiohttp as aiohttp_web
from bitbucket_auth_async.web import starlette as starlette_web
from bitbucket_auth_async.web.login import Login


@asynccontextmanager
async def serve_aiohttp(login: Login, port: int) -> AsyncGenerator[None]:
    async def start(_request: web.Request) -> web.Response:
        return web.Response(text="start")

    async def me(request: web.Request) -> web.Response:
        manager = await aiohttp_web.current_manager(request)
        await manager.get_token()
        return web.Response(text=manager.key)

    app = web.Application()
    aiohttp_web.add_login(app, login)
    app.router.add_get("/", start)
    app.router.add_route("*", "/me", me)
    runner = web.AppRunner(app, shutdown_timeout=0.1)  # with its access log, as in production
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serve_starlette(login: Login, port: int) -> AsyncGenerator[None]:
    async def start(_request: Request) -> Response:
        return PlainTextResponse("start")

    async def me(request: Request) -> Response:
        manager = await starlette_web.current_manager(request)
        await manager.get_token()
        return PlainTextResponse(manager.key)

    app = Starlette(routes=[Route("/", start), Route("/me", me, methods=["GET", "POST"])])
    starlette_web.add_login(app, login)
    async with serving(app, port):
        yield


class _PromptServer(uvicorn.Server):
    """A server that ends when it is told to: uvicorn's own looks every 100 ms, and sleeps as long while it ends."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self.lifespan.shutdown()


@asynccontextmanager
async def serving(app: Starlette, port: int, *, lifespan: Literal["on", "off"] = "off") -> AsyncGenerator[None]:
    """Serve an ASGI application with uvicorn until the block ends."""
    # The application handles forwarded headers; uvicorn would believe them from any process of this machine.
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        proxy_headers=False,
        log_config=None,
        lifespan=lifespan,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _PromptServer(config)
    task = asyncio.create_task(server._serve())  # serve() would take this process's signals
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.005)  # uvicorn has no event for it
    try:
        yield
    finally:
        server.stopping.set()
        with contextlib.suppress(asyncio.CancelledError):
            await task
