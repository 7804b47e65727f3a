"""What the benchmarks share: a server in memory that counts, and a clock that is put on at a stroke."""

import json
import time
from collections.abc import Callable

from bitbucket_auth_async import AuthorizationServer
from bitbucket_auth_async.clocks import SYSTEM_CLOCK
from bitbucket_auth_async.oauth2.messages import Request, Response
from bitbucket_auth_async.protocols import Timer

LIFETIME = 3600.0
SERVER = AuthorizationServer(
    authorization_endpoint="https://server.example/authorize",
    token_endpoint="https://server.example/token",  # noqa: S106 - an address
    api_origins=frozenset({"https://api.server.example"}),
)


def answer(number: int) -> bytes:
    """Return a token response as long as Bitbucket's."""
    number_text = f"{number:010}"
    return json.dumps(
        {
            "access_token": number_text * 260,
            "refresh_token": number_text * 4,
            "token_type": "bearer",
            "expires_in": LIFETIME,
        }
    ).encode()


class CountingServer:
    """A token endpoint in memory: a new token for every request; it is its own transport."""

    def __init__(self) -> None:
        self.requests = 0

    def answer(self) -> bytes:
        """Count a request, and return the body of the answer."""
        self.requests += 1
        return answer(self.requests)

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ARG002, ASYNC109 - the port's words
        """Answer at once."""
        return Response(status=200, headers={"content-type": "application/json"}, body=self.answer())

    async def aclose(self) -> None:
        """Do nothing."""


class AheadClock:
    """This machine's clock, which `hurry` puts ahead, so that a token expires without a wait."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def hurry(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self._ahead += seconds

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self._ahead

    def boot(self) -> float:
        """Return seconds on the clock that never goes back."""
        return SYSTEM_CLOCK.boot() + self._ahead

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back in so many real seconds."""
        return SYSTEM_CLOCK.call_later(delay, callback)
