"""From the bytes of an answer to JSON, or to the error that a caller can act on."""

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
from bitbucket_auth_async.api.retry_policy import Call
from bitbucket_auth_async.bitbucket.scopes import covers
from bitbucket_auth_async.oauth2.json_types import is_list, is_mapping
from bitbucket_auth_async.oauth2.retry_after import seconds_to_wait

_LONGEST_TEXT = 500


class Answered(NamedTuple):
    """An answer, and what it answers."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    """Names of any case, if the mapping knows none; else in lower case."""
    body: bytes


def parsed(call: Call, body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of an answer; None, if it is empty.

    Raises:
        NoAnswerError: It is broken, as if half of it were missing.
    """
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        pass
    # Raised out here: a JSONDecodeError keeps the whole text that it was given.
    reason = "the answer is broken JSON"
    raise NoAnswerError(reason, method=call.method, path=call.path, sent=True)


def error_of(answer: Answered, *, now: float) -> ApiError:
    """Return the error that the answer means, *now* being seconds since the epoch.

    https://developer.atlassian.com/cloud/bitbucket/rest/intro/#standardized-error-responses
    """
    said = _envelope(answer.body)
    common: dict[str, Any] = {"method": answer.method, "path": answer.path, "status": answer.status}
    common |= {name: said[name] for name in ("fields", "data") if is_mapping(said.get(name))}
    common["detail"] = detail = _shown(said.get("detail"))
    common["id"] = _text(said.get("id"))
    common["retry_after"] = seconds_to_wait(answer.headers.get("retry-after"), now=now)
    message = _text(said.get("message")) or _reason(answer.status)
    match answer.status:
        case HTTPStatus.UNAUTHORIZED:
            return ApiError(message, advice="The token is not accepted here, and there is no other one.", **common)
        case HTTPStatus.FORBIDDEN:
            required, granted = _scopes(detail, answer.headers)
            if required:
                return MissingScopeError(message, required=required, granted=granted, **common)
        case HTTPStatus.NOT_FOUND:
            return NotFoundError(message, **common)
        case HTTPStatus.GONE:
            return GoneError(message, announcement_url=_address(common.get("data", {})), **common)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimitedError(message, **common)
        case _:
            pass
    return ApiError(message, **common)


def _envelope(body: bytes) -> Mapping[str, Any]:
    """Return what is in the envelope; nothing, if it is a page for people or garbage."""
    try:
        answer: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    said = answer.get("error") if is_mapping(answer) else None
    return said if is_mapping(said) else {"message": said}


def _text(value: object) -> str | None:
    """Return a text of the server in one line and of bounded length; it ends up in logs."""
    if not isinstance(value, str):
        return None
    line = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(line.split())[:_LONGEST_TEXT] or None


def _shown(detail: object) -> object:
    return _text(detail) if isinstance(detail, str) else detail


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no explanation"


def _scopes(detail: object, headers: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return what the endpoint asks for and what the token has; nothing, if the 403 is not about scopes."""
    if is_mapping(detail):
        required, granted = _names(detail.get("required")), _names(detail.get("granted"))
        if required:
            return required, granted
    # A bare "Forbidden" may still have both lists in headers; the accepted ones are alternatives.
    accepted, has = headers.get("x-accepted-oauth-scopes"), headers.get("x-oauth-scopes")
    if accepted is not None and has is not None and not any(covers(_listed(has), {one}) for one in _listed(accepted)):
        return _listed(accepted), _listed(has)
    return frozenset(), frozenset()


def _names(value: object) -> frozenset[str]:
    return frozenset(name for one in value if (name := _text(one))) if is_list(value) else frozenset()


def _listed(header: str) -> frozenset[str]:
    return frozenset(header.replace(",", " ").split())


def _address(data: Mapping[str, Any]) -> str | None:
    address = _text(data.get("announcement_url"))
    if address is None:
        return None
    try:
        return address if urlsplit(address).scheme in {"http", "https"} else None
    except ValueError:
        return None
