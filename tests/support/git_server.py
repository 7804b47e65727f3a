"""A Git server like Bitbucket's: git http-backend behind a check of user name and token."""

import asyncio
import base64
import os
from pathlib import Path

from aiohttp import web

from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket


class GitServer:
    """Serves the repositories of a folder to clients that present a valid token of the fake."""

    def __init__(self, folder: Path, fake: FakeBitbucket) -> None:
        self.folder = folder
        self.fake = fake
        self.refused = 0
        """How many requests presented an invalid credential."""

    def add_to(self, app: web.Application) -> None:
        """Serve paths that end in .git."""
        app.router.add_route("*", "/{repository:[^?]+\\.git/.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        header = request.headers.get("Authorization", "")
        if not self._is_valid(header):
            self.refused += bool(header)
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Bitbucket"'})
        return await self._backend(request)

    def _is_valid(self, header: str) -> bool:
        kind, _, pair = header.partition(" ")
        if kind != "Basic":
            return False
        user, _, token = base64.b64decode(pair).decode().partition(":")
        return self.fake.git_accepts(user, token)

    async def _backend(self, request: web.Request) -> web.StreamResponse:
        """Run git http-backend as a CGI program (RFC 3875)."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path,
            "REMOTE_USER": "x-token-auth",
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        }
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("git", "http-backend", env=environ, stdin=pipe, stdout=pipe)
        out, _ = await process.communicate(await request.read())
        head, _, body = out.partition(b"\r\n\r\n")
        pairs = (line.partition(": ") for line in head.decode("latin-1").split("\r\n"))
        headers = {name: value for name, _, value in pairs}
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=body)
