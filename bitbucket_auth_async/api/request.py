"""One attempt: a call out by aiohttp, a response back, or an error that a caller can act on."""

from collections.abc import Callable

import aiohttp

from bitbucket_auth_async.api.errors import ApiError, NoAnswerError
from bitbucket_auth_async.api.responses import Answered, error_of
from bitbucket_auth_async.api.retry_policy import Call

_LONGEST_ANSWER = 64 * 2**20
_LONGEST_ERROR = 2**20
_REDIRECT = 300
"""RFC 9110 section 15: below it, success."""


async def send(http: aiohttp.ClientSession, call: Call, *, now: Callable[[], float]) -> aiohttp.ClientResponse:
    """Return the response to a call, if it is a success; its body is still to come.

    Raises:
        ApiError: It is none.
        NoAnswerError: There is none.
        BitbucketAuthError: There is no token.
    """
    try:
        response = await http.request(
            call.method,
            call.url,
            params=call.params,
            json=call.json,
            data=call.data,
            allow_redirects=call.is_safe,
            raise_for_status=False,
        )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _no_answer(call, error) from error
    if response.status < _REDIRECT:
        return response
    async with response:
        body = await _read(call, response, _LONGEST_ERROR)
    raise error_of(Answered(call.method, call.path, response.status, response.headers, body), now=now())


async def body_of(call: Call, response: aiohttp.ClientResponse) -> bytes:
    """Return the JSON of a response as bytes; none, if it is empty.

    Raises:
        ApiError: It is not JSON, or without end.
        NoAnswerError: The connection was lost on the way.
    """
    async with response:
        body = await _read(call, response, _LONGEST_ANSWER)
    if len(body) > _LONGEST_ANSWER:
        reason = f"the answer is longer than {_LONGEST_ANSWER // 2**20} MiB"
    elif body and "json" not in response.content_type:
        reason = "the answer is no JSON"
    else:
        return body
    advice = "stream() reads what is not JSON, or long."
    raise ApiError(reason, method=call.method, path=call.path, status=response.status, advice=advice)


async def _read(call: Call, response: aiohttp.ClientResponse, longest: int) -> bytes:
    """Return the body, or at least one byte more than *longest*."""
    pieces: list[bytes] = []
    length = 0
    try:
        while length <= longest and (piece := await response.content.readany()):
            pieces.append(piece)
            length += len(piece)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _no_answer(call, error) from error
    return b"".join(pieces)


def _no_answer(call: Call, error: Exception) -> NoAnswerError:
    sent = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    no_answer = NoAnswerError(type(error).__name__, method=call.method, path=call.path, sent=sent)
    # A redirect that leads nowhere does so the next time, too.
    no_answer.retryable = not isinstance(
        error, aiohttp.TooManyRedirects | aiohttp.InvalidURL | aiohttp.RedirectClientError
    )
    return no_answer
