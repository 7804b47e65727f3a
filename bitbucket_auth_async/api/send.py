"""Send one request by aiohttp and read the response, or raise a typed error."""

from collections.abc import Callable

import aiohttp

from bitbucket_auth_async.api.errors import ApiError, NoAnswerError
from bitbucket_auth_async.api.request import ApiRequest
from bitbucket_auth_async.api.responses import ApiResponse, error_from

_MAX_JSON_BYTES = 64 * 2**20
_MAX_ERROR_BYTES = 2**20
_REDIRECT = 300
"""RFC 9110 section 15: lower status codes mean success."""


async def send(http: aiohttp.ClientSession, request: ApiRequest, *, now: Callable[[], float]) -> aiohttp.ClientResponse:
    """Return the response if its status is a success; its body is not read yet.

    Raises:
        ApiError: The status is an error.
        NoAnswerError: No complete response came.
        BitbucketAuthError: There is no token.
    """
    try:
        response = await http.request(
            request.method,
            request.url,
            params=request.params,
            json=request.json,
            data=request.data,
            allow_redirects=request.is_safe,
            raise_for_status=False,
        )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _no_answer(request, error) from error
    if response.status < _REDIRECT:
        return response
    async with response:
        body = await _read(request, response, _MAX_ERROR_BYTES)
    raise error_from(ApiResponse(request.method, request.path, response.status, response.headers, body), now=now())


async def read_json_bytes(request: ApiRequest, response: aiohttp.ClientResponse) -> bytes:
    """Return the response's JSON as bytes, empty if there is no body.

    Raises:
        ApiError: The body is not JSON, or longer than 64 MiB.
        NoAnswerError: The connection was lost before the end.
    """
    async with response:
        body = await _read(request, response, _MAX_JSON_BYTES)
    if len(body) > _MAX_JSON_BYTES:
        reason = f"the response is longer than {_MAX_JSON_BYTES // 2**20} MiB"
    elif body and "json" not in response.content_type:
        reason = "the response is not JSON"
    else:
        return body
    advice = "Use stream() for long responses and for other formats."
    raise ApiError(reason, method=request.method, path=request.path, status=response.status, advice=advice)


async def _read(request: ApiRequest, response: aiohttp.ClientResponse, longest: int) -> bytes:
    """Return the body, or at least one byte more than *longest*."""
    pieces: list[bytes] = []
    length = 0
    try:
        while length <= longest and (piece := await response.content.readany()):
            pieces.append(piece)
            length += len(piece)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _no_answer(request, error) from error
    return b"".join(pieces)


def _no_answer(request: ApiRequest, error: Exception) -> NoAnswerError:
    sent = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    no_answer = NoAnswerError(type(error).__name__, method=request.method, path=request.path, sent=sent)
    # A broken redirect is broken the next time too.
    no_answer.retryable = not isinstance(
        error, aiohttp.TooManyRedirects | aiohttp.InvalidURL | aiohttp.RedirectClientError
    )
    return no_answer
