"""mock_token_endpoint: a token endpoint mocked by aioresponses, for tests that only need its responses."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from inspect import signature
from types import MappingProxyType, SimpleNamespace
from typing import Any

from aiohttp import ClientResponse

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.runtime.extras import extra

with extra("testing"):
    from aioresponses import aioresponses

TOKEN_ANSWER: Mapping[str, Any] = MappingProxyType(
    {
        "access_token": "mocked-access-token",
        "refresh_token": "mocked-refresh-token",
        "expires_in": 3600,
        "scope": "account email repository",
        "token_type": "bearer",
    }
)
"""Default response of the mocked token endpoint."""


class MockedResponse(ClientResponse):
    """A ClientResponse that aioresponses can create with every supported aiohttp."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  - passed on unchanged
        """Add the length of the request, which aiohttp 3.14 needs and aioresponses does not pass."""
        if "stream_writer" in signature(ClientResponse.__init__).parameters:
            kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


@contextmanager
def mock_token_endpoint(
    answer: Mapping[str, Any] = TOKEN_ANSWER,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    exception: Exception | None = None,
    token_endpoint: str = BITBUCKET_CLOUD.token_endpoint,
) -> Generator[aioresponses]:
    """Answer every token request with *answer*, and refuse requests to all other URLs.

    aioresponses replaces aiohttp's innermost request function, so client middlewares do not run. Use `mock_bitbucket`
    for tests that need them.

    Args:
        answer: The JSON object of the response.
        status: The HTTP status.
        headers: Additional response headers.
        exception: Raised instead of answering.
        token_endpoint: The URL to mock.
    """
    with aioresponses() as mocked:
        mocked.add(  # pyright: ignore[reportUnknownMemberType]  - aioresponses declares only "Dict"
            token_endpoint,
            method="POST",
            payload=dict(answer),
            status=status,
            headers=dict(headers or {}),
            exception=exception,
            repeat=True,
            response_class=MockedResponse,
        )
        yield mocked
