"""Renews at log level DEBUG, with an exception at each await of a renewal in turn, and prints the secrets it used.

Arguments: LIBRARY FILTER. tests/telemetry/test_everything_at_debug.py searches the log for the secrets.
"""

import asyncio
import json
import logging
import sys
import warnings
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl

from bitbucket_auth_async import BitbucketAuthError, RefreshToken, TokenManager
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.protocols import Transport
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.telemetry.redaction import RedactingFilter
from bitbucket_auth_async.testing import FakeBitbucket, faults
from bitbucket_auth_async.testing.server import Site, serve
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport
from bitbucket_auth_async.transports.httpx import HttpxTransport
from bitbucket_auth_async.transports.httpx2 import Httpx2Transport

TRANSPORTS: dict[str, Callable[[], Transport]] = {
    "aiohttp": AiohttpTransport,
    "httpx": HttpxTransport,
    "httpx2": Httpx2Transport,
}


class UnexpectedError(Exception):
    """An exception that no code expects."""


class FailingCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine that gets an exception thrown in at its await number *at*."""

    reached = False

    def __init__(self, inner: Coroutine[Any, Any, Any], at: int, error: BaseException) -> None:
        self._inner = inner
        self._left = at
        self._error = error

    def send(self, value: object) -> Any:  # noqa: ANN401 - as Coroutine says
        waits_for = self._inner.send(value)
        self._left -= 1
        if self._left:
            return waits_for
        self.reached = True
        if waits_for is not None:
            waits_for.cancel()
        return self._inner.throw(self._error)

    def throw(self, *error: Any) -> Any:  # noqa: ANN401 - as Coroutine says
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()


class SecretRecorder:
    """A transport that records every secret in requests and responses."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.secrets: set[str] = set()

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        self.secrets.add(request.headers["Authorization"].removeprefix("Basic "))
        self.secrets.update(value for name, value in parse_qsl(request.body.decode()) if name == "refresh_token")
        response = await self._inner.send(request, timeout=timeout)
        answer = json.loads(response.body)
        self.secrets.update(str(answer[name]) for name in ("access_token", "refresh_token") if name in answer)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


async def renew(
    site: Site, fake: FakeBitbucket, transport: SecretRecorder, folder: str, failure: tuple[int, BaseException]
) -> bool:
    """Renew once, with this exception at the await of this number; return whether there were so many awaits."""
    found: list[FailingCoroutine] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":  # noqa: ANN401 - as task factories are called
        if getattr(coroutine, "__qualname__", "").endswith("._renew"):
            coroutine = FailingCoroutine(coroutine, *failure)
            found.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop = asyncio.get_running_loop()
    token = fake.sign_in()
    transport.secrets |= {token.access_token, str(token.refresh_token)}
    async with TokenManager(
        fake.client,
        store=FileStore(Path(folder, f"{failure[0]}.json")),
        key="alice",
        server=site.server,
        transport=transport,
    ) as manager:
        loop.set_task_factory(factory)
        try:
            await manager.exchange(RefreshToken(str(token.refresh_token)))
        except (BitbucketAuthError, UnexpectedError):
            logging.getLogger("program").exception("The renewal failed")
        loop.set_task_factory(None)
        print(manager, manager.snapshot(), file=sys.stderr)
        with suppress(BitbucketAuthError):
            print(await manager.get_token(), file=sys.stderr)
    return found[0].reached


async def main(library: str) -> None:
    """Let renewals fail at their first await, their second and so on, by an error and by a cancellation."""
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 0.0  # asyncio logs every handle as slow
    fake = FakeBitbucket()
    transport = SecretRecorder(TRANSPORTS[library]())
    awaits = 0
    with TemporaryDirectory() as folder:
        async with serve(fake) as site:
            for kind in (UnexpectedError, asyncio.CancelledError):
                awaits = 0
                while await renew(site, fake, transport, folder, (awaits + 1, kind("thrown by the test"))):
                    awaits += 1
            with fake.inject(faults.status(503)), fake.inject(faults.html()):
                await renew(site, fake, transport, folder, (1000, UnexpectedError()))
    secrets = sorted({*transport.secrets, str(fake.client.client_secret)} - {""})
    print(json.dumps({"awaits": awaits, "secrets": secrets}))


if __name__ == "__main__":
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    if sys.argv[2] == "filtered":
        handler.addFilter(RedactingFilter())
    logging.basicConfig(level=logging.DEBUG, handlers=[handler])
    logging.captureWarnings(capture=True)
    warnings.simplefilter("always")
    asyncio.run(main(sys.argv[1]), debug=True)
