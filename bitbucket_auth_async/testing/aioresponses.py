"""A token endpoint mocked by aioresponses: enough where nothing but its answers matters."""

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
"""What the mocked token endpoint grants."""


class MockedResponse(ClientResponse):
    """A ClientResponse that aioresponses can make on every supported aiohttp."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  - handed on as they come
        """Add what aiohttp 3.14 wants to know of the request, which aioresponses does not tell: how long it was."""
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
    """Let the token endpoint give *answer* to every request, and refuse every other address.

    aioresponses takes the place of aiohttp's innermost request, so client middlewares do not run under it;
    `mock_bitbucket` is for what needs them.

    Args:
        answer: The JSON object that it answers.
        status: The HTTP status.
        headers: Further headers of the answer.
        exception: Raised instead of answering.
        token_endpoint: The address that is mocked.
    """
    with aioresponses() as mocked:
        mocked.add(  # pyright: ignore[reportUnknownMemberType]  - aioresponses says no more than "Dict"
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
