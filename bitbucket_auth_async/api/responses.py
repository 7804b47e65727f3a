"""Turn a response into JSON, or into an error that a caller can act on."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bitbucket_auth_async.api.errors import (
    ApiError,
    GoneError,
    MissingScopeError,
    NoAnswerError,
    NotFoundError,
    RateLimitedError,
)
from bitbucket_auth_async.api.request import ApiRequest
from bitbucket_auth_async.bitbucket.scopes import covers
from bitbucket_auth_async.oauth2.json_types import is_list, is_mapping
from bitbucket_auth_async.oauth2.retry_after import seconds_to_wait

_MAX_TEXT = 500


class ApiResponse(NamedTuple):
    """An error response, with the method and path of its request."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    """A case-insensitive mapping, or one with lower-case names."""
    body: bytes


def parse_json(request: ApiRequest, body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of a response, or None if the body is empty.

    Raises:
        NoAnswerError: The JSON is broken, as after a truncated transfer.
    """
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        pass
    # Raised outside the handler: a JSONDecodeError keeps the whole text, and would stay attached as context.
    reason = "the response is broken JSON"
    raise NoAnswerError(reason, method=request.method, path=request.path, sent=True)


def error_from(response: ApiResponse, *, now: float) -> ApiError:
    """Return the error that a response stands for; *now* is in seconds since the epoch.

    https://developer.atlassian.com/cloud/bitbucket/rest/intro/#standardized-error-responses
    """
    said = _envelope(response.body)
    common: dict[str, Any] = {"method": response.method, "path": response.path, "status": response.status}
    common |= {name: said[name] for name in ("fields", "data") if is_mapping(said.get(name))}
    detail = said.get("detail")
    common["detail"] = detail = _one_line(detail) if isinstance(detail, str) else detail
    common["id"] = _one_line(said.get("id"))
    common["retry_after"] = seconds_to_wait(response.headers.get("retry-after"), now=now)
    message = _one_line(said.get("message")) or _reason_phrase(response.status)
    match response.status:
        case HTTPStatus.UNAUTHORIZED:
            return ApiError(message, advice="The API refuses the token. Sign in again.", **common)
        case HTTPStatus.FORBIDDEN:
            required, granted = _scopes(detail, response.headers)
            if required:
                return MissingScopeError(message, required=required, granted=granted, **common)
        case HTTPStatus.NOT_FOUND:
            return NotFoundError(message, **common)
        case HTTPStatus.GONE:
            return GoneError(message, announcement_url=_announcement_url(common.get("data", {})), **common)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimitedError(message, **common)
        case _:
            pass
    return ApiError(message, **common)


def _envelope(body: bytes) -> Mapping[str, Any]:
    """Return the content of the error envelope, empty for HTML and other bodies."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    said = value.get("error") if is_mapping(value) else None
    return said if is_mapping(said) else {"message": said}


def _one_line(value: object) -> str | None:
    """Return the server's text as one line of limited length, safe to log."""
    if not isinstance(value, str):
        return None
    line = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(line.split())[:_MAX_TEXT] or None


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no explanation"


def _scopes(detail: object, headers: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the required and the granted scopes; both are empty if the 403 is not about scopes."""
    if is_mapping(detail):
        required, granted = _names(detail.get("required")), _names(detail.get("granted"))
        if required:
            return required, granted
    # A bare "Forbidden" may still have both lists in headers; one accepted scope is enough.
    accepted, has = headers.get("x-accepted-oauth-scopes"), headers.get("x-oauth-scopes")
    if accepted is not None and has is not None and not any(covers(_split(has), {one}) for one in _split(accepted)):
        return _split(accepted), _split(has)
    return frozenset(), frozenset()


def _names(value: object) -> frozenset[str]:
    return frozenset(name for one in value if (name := _one_line(one))) if is_list(value) else frozenset()


def _split(header: str) -> frozenset[str]:
    return frozenset(header.replace(",", " ").split())


def _announcement_url(data: Mapping[str, Any]) -> str | None:
    url = _one_line(data.get("announcement_url"))
    if url is None:
        return None
    try:
        return url if urlsplit(url).scheme in {"http", "https"} else None
    except ValueError:
        return None
