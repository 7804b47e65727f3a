"""Hooks: functions of a program that replace parts of `get_access_token`: requests, results and errors."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import Token

_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome of a call: a token or an error, and the response if a request was made."""

    token: Token | None = None
    error: BitbucketAuthError | None = None
    response: Response | None = None
    presented: str = ""
    """The grant type sent, or empty if no request was made."""


def is_success(response: Response) -> bool:
    """Tell whether the endpoint answered 2xx."""
    return 200 <= response.status < 300  # noqa: PLR2004 - RFC 9110 section 15.3


def is_unauthorized(response: Response) -> bool:
    """Tell whether the endpoint answered 401."""
    return response.status == _UNAUTHORIZED


def handle_success(answer: Answer) -> Any:  # noqa: ANN401 - a program's own function may return anything
    """Return the token."""
    return answer.token


def handle_error(answer: Answer) -> BaseException:
    """Return the error to raise, with a note if the grant type suggests a cause."""
    error = answer.error or BitbucketAuthError("The hook is_success rejects the token endpoint's response.")
    cause = {
        "refresh_token": "Bad refresh token?",
        "password": "Bad username/password?",
        "authorization_code": "Bad code?",
        "client_credentials": "Bad consumer key/secret?",
    }.get(answer.presented)
    refused = answer.response is not None and not is_success(answer.response) and not error.retryable
    if refused and cause is not None:
        error.add_note(cause)
    return error


def create_request_handler(hooks: "Hooks") -> Callable[[Answer], Any]:
    """Return the function that turns an Answer into the call's result, or raises."""

    def handle(answer: Answer) -> Any:  # noqa: ANN401 - see handle_success
        failed = answer.response is not None and not hooks.is_success(answer.response)
        if answer.token is None or failed:
            raise hooks.handle_error(answer)
        return hooks.handle_success(answer)

    return handle


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Functions that each replace a default of this module.

    A received token is stored before any of them but `send_request` is called, so none decides whether it is kept.
    """

    send_request: Callable[[Request], Awaitable[Response]] | None = field(default=None)
    """Sends the POST to the token endpoint; None: aiohttp does."""
    create_request_handler: "Callable[[Hooks], Callable[[Answer], Any]]" = create_request_handler
    is_success: Callable[[Response], bool] = is_success
    is_unauthorized: Callable[[Response], bool] = is_unauthorized
    handle_error: Callable[[Answer], BaseException] = handle_error
    handle_success: Callable[[Answer], Any] = handle_success
