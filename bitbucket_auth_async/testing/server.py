"""serve: a FakeBitbucket on a local port, as an aiohttp application."""

import socket
import struct
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.testing.fake.authorization_endpoint import DeniedError, SilentPageError
from bitbucket_auth_async.testing.fake.consent_page import consent_page
from bitbucket_auth_async.testing.fake.fault_injection import DroppedError
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket

_CLOSING = 0.1
"""Seconds that open requests get when the server stops; held ones would never end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The address of a served fake, and the `server` for a TokenManager that uses it."""

    base_url: str
    server: AuthorizationServer


@asynccontextmanager
async def serve(fake: FakeBitbucket, port: int = 0, *, host: str = "127.0.0.1") -> AsyncGenerator[Site]:
    """Serve *fake* until the block ends; port 0 picks a free port."""
    async with listening(fake_bitbucket_app(fake), port, host=host) as bound:
        base_url = f"http://{host}:{bound}"
        previous, fake.rest.base_url = fake.rest.base_url, base_url
        try:
            yield Site(base_url=base_url, server=server_at(base_url, fake))
        finally:
            fake.rest.base_url = previous


def server_at(base_url: str, fake: FakeBitbucket | None = None) -> AuthorizationServer:
    """Return the `server` for a TokenManager that uses a fake at *base_url*, which may be in another process.

    Args:
        base_url: Such as `http://127.0.0.1:7990`.
        fake: Only needed if its rules differ from the default: `legacy`, `strict`, or changed.
    """
    fake = FakeBitbucket() if fake is None else fake
    return AuthorizationServer(
        authorization_endpoint=f"{base_url}/site/oauth2/authorize",
        token_endpoint=f"{base_url}/site/oauth2/access_token",
        api_origins=frozenset({base_url}),
        reuse_grace=fake.rules.reuse_grace,
    )


def fake_bitbucket_app(fake: FakeBitbucket, *, middlewares: Iterable[Middleware] = ()) -> web.Application:
    """Return an application with `/site/oauth2/authorize`, `/site/oauth2/access_token` and the API under `/2.0/`."""
    pages = _Pages(fake)
    app = web.Application(middlewares=tuple(middlewares))
    app.router.add_get("/site/oauth2/authorize", pages.ask)
    app.router.add_post("/site/oauth2/authorize", pages.decide)
    app.router.add_post("/site/oauth2/access_token", pages.token)
    app.router.add_route("*", "/2.0/{rest:.*}", pages.api)
    return app


@asynccontextmanager
async def listening(app: web.Application, port: int = 0, *, host: str = "127.0.0.1") -> AsyncGenerator[int]:
    """Serve an application on a local port until the block ends, and return the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSING)
    await runner.setup()
    try:
        # A program with thousands of coroutines may open a connection for each at once.
        await web.TCPSite(runner, host, port, backlog=4096).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class _Pages:
    """One handler for each path."""

    def __init__(self, fake: FakeBitbucket) -> None:
        self._fake = fake

    async def token(self, request: web.Request) -> web.StreamResponse:
        asked = Request(url=str(request.url), headers=request.headers, body=await request.read())
        try:
            return _web(await self._fake.answer_token_request(asked))
        except DroppedError as dropped:
            return await _drop(request, dropped)

    async def api(self, request: web.Request) -> web.StreamResponse:
        try:
            # aiohttp's header names are case-insensitive, so they are not lowered here.
            response = self._fake.answer_api_request(request.method, request.path, request.query, request.headers)
            return _web(await response)
        except DroppedError as dropped:
            return await _drop(request, dropped)

    async def ask(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = self._fake.authorization.consent_request(request.query)
        except SilentPageError as silent:
            return _web(silent.page)
        except DeniedError as denied:
            raise web.HTTPFound(denied.location) from None
        return _web(consent_page(asked, self._fake.persons.values(), request.query))

    async def decide(self, request: web.Request) -> web.StreamResponse:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        person = self._fake.persons.get(form.pop("person", ""), self._fake.person)
        consent = form.pop("decision", "") == "allow"
        try:
            # The form repeats the request's parameters; a test without a form may leave them in the query.
            location = self._fake.authorize({**request.query, **form}, person, consent=consent)
        except SilentPageError as silent:
            return _web(silent.page)
        raise web.HTTPFound(location)


def _web(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=response.headers, body=response.body)


async def _drop(request: web.Request, dropped: DroppedError) -> web.StreamResponse:
    """Close the connection, after half of a response if the fault has one."""
    transport = request.transport
    if dropped.half is not None:
        response = web.StreamResponse(status=dropped.half.status, headers=dropped.half.headers)
        response.content_length = len(dropped.half.body)
        await response.prepare(request)
        await response.write(dropped.half.body[: len(dropped.half.body) // 2])
        if transport is not None:
            transport.close()
        return response
    if transport is not None:
        raw: socket.socket = transport.get_extra_info("socket")
        # SO_LINGER with 0 s turns the close into a reset.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.close()
    return web.Response(status=500)  # never sent
