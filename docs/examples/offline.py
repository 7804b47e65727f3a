"""Each example on a fake Bitbucket of this machine: `python -m docs.examples.offline NAME`.

NAME is one of web, fastapi, browser, bot, crawler, oauth. Examples that serve end with SIGTERM or Ctrl-C. Two variables
of the environment: PORT is their port (8080), LIFETIME the seconds for which a token is valid (30, short enough to
watch).
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from bitbucket_auth_async import ClientCredentials, TokenManager
from bitbucket_auth_async.api import BitbucketAPI
from bitbucket_auth_async.codecs import EncryptionKey
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import Site, fake_bitbucket_app, listening, serve, server_at
from bitbucket_auth_async.web.static_files import STATIC
from docs.examples import bot, crawler, oauth_client, web_service
from docs.examples.bot import until_told_to_stop

PORT = int(os.environ.get("PORT", "8080"))
LIFETIME = float(os.environ.get("LIFETIME", "30"))
HERE = f"http://localhost:{PORT}"


@asynccontextmanager
async def fake(*, legacy: bool = False) -> AsyncGenerator[tuple[FakeBitbucket, Site]]:
    """Run a fake Bitbucket on a port of its own."""
    bitbucket = FakeBitbucket(lifetime=LIFETIME, legacy=legacy)
    bitbucket.register_person("grace", display_name="Grace Hopper")
    async with serve(bitbucket) as site:
        yield bitbucket, site


async def run_web() -> None:
    """Serve the aiohttp example."""
    async with fake() as (bitbucket, site):
        client = bitbucket.register_client(callback=f"{HERE}/callback")
        app = web_service.make_app(
            client,
            store=MemoryStore(),
            keys=[EncryptionKey.new()],
            redirect_uri=f"{HERE}/callback",
            server=site.server,
        )
        async with listening(app, PORT, host="localhost"):
            print(f"Open {HERE}", flush=True)
            await until_told_to_stop()


async def run_fastapi() -> None:
    """Serve the FastAPI example."""
    import uvicorn  # noqa: PLC0415 - only this example needs FastAPI and uvicorn

    from docs.examples import web_service_fastapi  # noqa: PLC0415 - the same

    class Quiet(uvicorn.Server):
        """A server that leaves signals to this program; uvicorn's own ends the process with the signal it got."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            """Capture none."""
            yield

    async with fake() as (bitbucket, site):
        client = bitbucket.register_client(callback=f"{HERE}/callback")
        app = web_service_fastapi.make_app(
            client,
            store=MemoryStore(),
            keys=[EncryptionKey.new()],
            redirect_uri=f"{HERE}/callback",
            server=site.server,
        )
        server = Quiet(uvicorn.Config(app, host="localhost", port=PORT, log_level="warning"))
        serving = asyncio.create_task(server.serve())
        print(f"Open {HERE}", flush=True)
        await until_told_to_stop()
        server.should_exit = True
        await serving


@asynccontextmanager
async def browser_only(port: int) -> AsyncGenerator[FakeBitbucket]:
    """Serve the browser-only example, and a Bitbucket as it was before 2026, which lets browsers read its API."""
    here = f"http://localhost:{port}"

    @web.middleware
    async def for_browsers(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.Response() if request.method == "OPTIONS" else await handler(request)
        response.headers.update({"Access-Control-Allow-Origin": here, "Access-Control-Allow-Headers": "authorization"})
        return response

    bitbucket = FakeBitbucket(legacy=True, lifetime=LIFETIME)
    client = bitbucket.register_client(callback=f"{here}/")
    async with listening(fake_bitbucket_app(bitbucket, middlewares=[for_browsers])) as at:
        server = server_at(f"http://127.0.0.1:{at}", bitbucket)
        api = min(server.api_origins)
        settings = {
            "client": {"client_id": client.client_id, "redirect_uri": f"{here}/", "scope": "account"},
            "authorizationEndpoint": server.authorization_endpoint,
            "apiOrigin": api,
        }
        policy = web_service.POLICY["Content-Security-Policy"].replace("connect-src 'self'", f"connect-src {api}")

        async def page(_request: web.Request) -> web.StreamResponse:
            headers = {"Content-Security-Policy": policy}
            return web.FileResponse(web_service.PAGES / "browser_only.html", headers=headers)

        async def as_script(_request: web.Request) -> web.Response:
            text = f"const bitbucketAuthSettings = {json.dumps(settings)};\n"
            return web.Response(text=text, content_type="text/javascript")

        app = web.Application()
        app.router.add_get("/", page)
        app.router.add_get("/settings.js", as_script)
        app.router.add_static("/pages", web_service.PAGES)
        app.router.add_static("/client", STATIC)
        async with listening(app, port, host="localhost"):
            yield bitbucket


async def run_browser() -> None:
    """Serve the browser-only example."""
    async with browser_only(PORT):
        print(f"Open {HERE}", flush=True)
        await until_told_to_stop()


async def run_bot() -> None:
    """Let events come to the bot until it is told to stop."""
    async with (
        fake() as (bitbucket, site),
        TokenManager(bitbucket.client, grant=ClientCredentials(), server=site.server, keep_fresh=True) as manager,
        bot.running(manager, "s3cret", PORT, api=site.base_url),
        aiohttp.ClientSession() as http,
    ):
        sending = asyncio.create_task(_send_events(http))
        await until_told_to_stop()
        sending.cancel()


async def _send_events(http: aiohttp.ClientSession) -> None:
    """Do as Bitbucket does when somebody pushes."""
    for number in range(1, 26):
        body = json.dumps({"repository": {"full_name": f"acme/acme-{number}"}}).encode()
        signed = {"X-Hub-Signature": "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()}
        async with http.post(f"http://127.0.0.1:{PORT}/events", data=body, headers=signed) as response:
            response.raise_for_status()
        await asyncio.sleep(min(0.5, LIFETIME / 4))


async def run_crawler() -> None:
    """Crawl twenty workspaces."""
    crawler.stop_on_sigterm()
    workspaces = [f"workspace-{number}" for number in range(1, 21)]
    with suppress(asyncio.CancelledError):
        async with fake() as (bitbucket, site):
            bitbucket.rest.repositories = 250
            async with (
                TokenManager(bitbucket.client, grant=ClientCredentials(), server=site.server) as manager,
                BitbucketAPI(manager, base_url=f"{site.base_url}/2.0") as api,
            ):
                print("Reading", flush=True)
                with crawler.progress_bar(len(workspaces), lambda repository: print(repository["full_name"])) as bar:
                    await crawler.crawl(api, workspaces, bar[0], done=bar[1])


async def run_oauth() -> None:
    """Show each grant at a Bitbucket that still has them all."""
    async with fake(legacy=True) as (bitbucket, site):
        client = bitbucket.register_client(callback=oauth_client.REDIRECT_URI)

        async def ask(question: str) -> str:
            if question.startswith("Open "):
                return bitbucket.authorize(question.split()[1])
            person = bitbucket.person
            refresh_token = bitbucket.sign_in(client=client).refresh_token or ""
            return {"Name: ": person.username, "Password: ": person.password}.get(question, refresh_token)

        for name, grant in oauth_client.GRANTS.items():
            print(f"{name}: {oauth_client.told(await grant(client, site.server, ask))}", flush=True)


EXAMPLES: dict[str, Callable[[], Awaitable[None]]] = {
    "web": run_web,
    "fastapi": run_fastapi,
    "browser": run_browser,
    "bot": run_bot,
    "crawler": run_crawler,
    "oauth": run_oauth,
}


async def main() -> None:
    """Run the example that the command line names."""
    if sys.argv[1:] not in [[name] for name in EXAMPLES]:
        sys.exit(f"Which example? One of {', '.join(EXAMPLES)}.")
    await EXAMPLES[sys.argv[1]]()


if __name__ == "__main__":
    asyncio.run(main())
