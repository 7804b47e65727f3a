"""A token endpoint in memory that counts its requests."""

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
    """Return a token response of the same length as Bitbucket's."""
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
    """A token endpoint and its transport: each request gets a new token."""

    def __init__(self) -> None:
        self.requests = 0

    def answer(self) -> bytes:
        """Count a request and return the body of its answer."""
        self.requests += 1
        return answer(self.requests)

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ARG002, ASYNC109 - the names of the protocol
        """Answer at once."""
        return Response(status=200, headers={"content-type": "application/json"}, body=self.answer())

    async def aclose(self) -> None:
        """Do nothing."""
