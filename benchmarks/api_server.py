"""An API on a local port, in a process of its own: it takes whatever bearer comes and answers with a little JSON."""

import asyncio

from aiohttp import web


async def user(request: web.Request) -> web.Response:
    """Answer as `/2.0/user` does."""
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        return web.Response(status=401)
    return web.json_response({"username": "alice", "display_name": "Alice", "account_id": "557058:0"})


async def serve() -> None:
    """Serve until the process is ended; the first line printed is the port."""
    app = web.Application()
    app.router.add_get("/2.0/user", user)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
