"""FakeBitbucket behind a real local port, as an aiohttp application."""

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
"""Seconds that requests under way are given when the port closes; held ones would never end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a served fake is, and the server value that makes a TokenManager use it."""

    base_url: str
    server: AuthorizationServer


@asynccontextmanager
async def serve(fake: FakeBitbucket, port: int = 0, *, host: str = "127.0.0.1") -> AsyncGenerator[Site]:
    """Serve *fake* on a local port, a free one if none is named, until the block ends."""
    async with listening(fake_bitbucket_app(fake), port, host=host) as bound:
        base_url = f"http://{host}:{bound}"
        former, fake.rest.base_url = fake.rest.base_url, base_url
        try:
            yield Site(base_url=base_url, server=server_at(base_url, fake))
        finally:
            fake.rest.base_url = former


def server_at(base_url: str, fake: FakeBitbucket | None = None) -> AuthorizationServer:
    """Return the server value for a fake that is served at *base_url*, maybe by another process.

    Args:
        base_url: Such as `http://127.0.0.1:7990`.
        fake: Only if its rules are not those of every new one: `legacy`, `strict`, or changed.
    """
    fake = FakeBitbucket() if fake is None else fake
    return AuthorizationServer(
        authorization_endpoint=f"{base_url}/site/oauth2/authorize",
        token_endpoint=f"{base_url}/site/oauth2/access_token",
        api_origins=frozenset({base_url}),
        reuse_grace=fake.rules.reuse_grace,
    )


def fake_bitbucket_app(fake: FakeBitbucket, *, middlewares: Iterable[Middleware] = ()) -> web.Application:
    """Return the application: `/site/oauth2/authorize`, `/site/oauth2/access_token`, and the API under `/2.0/`."""
    pages = _Pages(fake)
    app = web.Application(middlewares=tuple(middlewares))
    app.router.add_get("/site/oauth2/authorize", pages.ask)
    app.router.add_post("/site/oauth2/authorize", pages.decide)
    app.router.add_post("/site/oauth2/access_token", pages.token)
    app.router.add_route("*", "/2.0/{rest:.*}", pages.api)
    return app


@asynccontextmanager
async def listening(app: web.Application, port: int = 0, *, host: str = "127.0.0.1") -> AsyncGenerator[int]:
    """Serve an application on a local port until the block ends, and say which port that is."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSING)
    await runner.setup()
    try:
        # A program with thousands of coroutines may knock with all of them at once.
        await web.TCPSite(runner, host, port, backlog=4096).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class _Pages:
    """One handler for each address."""

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
            # aiohttp's header names know no case, so they need not be lowered.
            answer = self._fake.answer_api_request(request.method, request.path, request.query, request.headers)
            return _web(await answer)
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
            # The page posts the question along; who says yes by curl leaves it in the address.
            location = self._fake.authorize({**request.query, **form}, person, consent=consent)
        except SilentPageError as silent:
            return _web(silent.page)
        raise web.HTTPFound(location)


def _web(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=response.headers, body=response.body)


async def _drop(request: web.Request, dropped: DroppedError) -> web.StreamResponse:
    """Close the connection under the request, after half of an answer if the fault says so."""
    transport = request.transport
    if dropped.half is not None:
        answer = web.StreamResponse(status=dropped.half.status, headers=dropped.half.headers)
        answer.content_length = len(dropped.half.body)
        await answer.prepare(request)
        await answer.write(dropped.half.body[: len(dropped.half.body) // 2])
        if transport is not None:
            transport.close()
        return answer
    if transport is not None:
        raw: socket.socket = transport.get_extra_info("socket")
        # To linger for no time makes closing a reset, not a farewell.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.close()
    return web.Response(status=500)  # It is never sent.
