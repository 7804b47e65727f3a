"""A process that serves fake Bitbuckets, each on its own port, and a port that controls them.

It is separate, so that the cost of a fake counts for no library, and a library that blocks its loop does not block it.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import listening, serve

_FAULTS: dict[str, Callable[..., faults.Fault]] = {
    "latency": faults.latency,
    "reset": faults.reset,
    "status": faults.status,
}


@dataclass(slots=True)
class Served:
    """A fake, and by how many seconds its clock is ahead of this machine's."""

    exits: AsyncExitStack
    ahead: float = 0.0
    fake: FakeBitbucket = field(init=False)

    def __post_init__(self) -> None:
        self.fake = FakeBitbucket(lambda: time.time() + self.ahead)


class Control:
    """The requests of the measuring processes; each answer is JSON."""

    def __init__(self) -> None:
        self._worlds: dict[int, Served] = {}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{verb}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.Response:
        asked: dict[str, Any] = await request.json()
        verb: Callable[..., Any] = getattr(self, f"do_{request.match_info['verb']}")
        number = asked.pop("world", None)
        answer = verb(**asked) if number is None else verb(self._worlds[number], **asked)
        return web.json_response(await answer if asyncio.iscoroutine(answer) else answer)

    async def do_open(self, *, strict: bool, grace: float, latency: float) -> dict[str, Any]:
        """Open a fake whose token endpoint takes *latency* seconds."""
        served = Served(AsyncExitStack())
        fake = served.fake
        fake.rules.reuse_grace, fake.rules.reuse_revokes = (0.0, True) if strict else (grace, False)
        if latency:
            fake.inject(faults.latency(latency), times=None)
        number = len(self._worlds) + 1
        self._worlds[number] = served
        site = await served.exits.enter_async_context(serve(fake))
        return {"number": number, "url": site.base_url, "grace": fake.rules.reuse_grace}

    async def do_close(self, served: Served) -> None:
        served.fake.clear_faults()
        await served.exits.aclose()

    def do_sign_in(self, served: Served, *, left: float) -> dict[str, Any]:
        """Sign a person in; the access token is valid for *left* more seconds of an hour."""
        fake = served.fake
        lifetime, fake.rules.lifetime = fake.rules.lifetime, left
        token = fake.sign_in()
        fake.rules.lifetime = lifetime
        expires_at = time.time() + served.ahead + left
        return {
            "access_token": token.access_token,
            "refresh_token": token.refresh_token,
            "issued_at": expires_at - lifetime,
            "expires_at": expires_at,
        }

    def do_inject(self, served: Served, *, fault: str, times: int | None, **details: Any) -> None:  # noqa: ANN401 - a fault's own
        """Let the next token requests meet a fault, which replaces any earlier one."""
        served.fake.clear_faults()
        served.fake.inject(_FAULTS[fault](**details), times=times)

    def do_clear_faults(self, served: Served) -> None:
        served.fake.clear_faults()

    def do_requests(self, served: Served) -> dict[str, int]:
        """Return the number of token requests, and of those that presented a used refresh token."""
        return {"requests": served.fake.token_requests, "again": len(served.fake.second_spends)}

    async def do_until_spent(self, served: Served) -> None:
        """Answer after a refresh token has been presented."""
        while not served.fake.request_log.spends:  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0.001)

    def do_survives(self, served: Served, *, refresh_token: str) -> bool:
        """Return whether a refresh token will still work after the grace period of a possible use."""
        grace = served.fake.rules.reuse_grace + 1
        served.ahead += grace
        alive = served.fake.is_spendable(refresh_token)
        served.ahead -= grace
        return alive

    def do_expiries(self, served: Served) -> dict[str, float]:
        """Return when each access token expires."""
        return {token.text: token.expires_at for family in served.fake.families for token in family.access}


async def main() -> None:
    """Serve until the process ends; the first printed line is the control port."""
    async with listening(Control().app()) as port:
        print(json.dumps(port), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
