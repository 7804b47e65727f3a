"""An API server in a separate process: it accepts any bearer and answers with a small JSON document."""

import asyncio
import json
from functools import cache

from aiohttp import web


async def user(request: web.Request) -> web.Response:
    """Answer as `/2.0/user` does."""
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        return web.Response(status=401)
    return web.json_response({"username": "alice", "display_name": "Alice", "account_id": "557058:0"})


async def repositories(request: web.Request) -> web.Response:
    """Answer as `/2.0/repositories/{workspace}` does; `pages` is the number of pages, `latency` the seconds for one."""
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        return web.Response(status=401)
    number, pages = int(request.query.get("page", "1")), int(request.query["pages"])
    workspace, pagelen = request.match_info["workspace"], int(request.query["pagelen"])
    if "latency" in request.query:
        await asyncio.sleep(float(request.query["latency"]))
    link = str(request.url.update_query(page=number + 1)) if number < pages else ""
    text = f'{{"pagelen": {pagelen}, "page": {number}, "values": {values(workspace, pagelen)}'
    text += f', "next": "{link}"}}' if link else "}"
    return web.Response(text=text, content_type="application/json")


@cache
def values(workspace: str, pagelen: int) -> str:
    """Return the items of a page as JSON; they are cached, so the server is fast."""
    return json.dumps(
        [
            {
                "type": "repository",
                "uuid": f"{{00000000-0000-0000-0000-{number:012}}}",
                "full_name": f"{workspace}/repository-{number}",
                "name": f"repository-{number}",
                "slug": f"repository-{number}",
                "scm": "git",
                "is_private": True,
                "workspace": {"type": "workspace", "uuid": "{0}", "slug": workspace, "name": workspace.title()},
            }
            for number in range(pagelen)
        ]
    )


async def serve() -> None:
    """Serve until the process ends; the first printed line is the port."""
    app = web.Application()
    app.router.add_get("/2.0/user", user)
    app.router.add_get("/2.0/repositories/{workspace}", repositories)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
