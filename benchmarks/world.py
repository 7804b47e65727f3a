"""What the benchmarks share: a server in memory that counts."""

import json

from bitbucket_auth_async import AuthorizationServer
from bitbucket_auth_async.oauth2.http_messages import Request, Response

LIFETIME = 3600.0
SERVER = AuthorizationServer(
    authorization_endpoint="https://server.example/authorize",
    token_endpoint="https://server.example/token",
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
