"""The token endpoint: the request for a grant, and the token or error in its response."""

import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from bitbucket_auth_async.errors import ConfigurationError, UnavailableError
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.error_responses import refusal, refusal_in_text
from bitbucket_auth_async.oauth2.grants import Grant
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.json_types import is_mapping
from bitbucket_auth_async.oauth2.retry_after import seconds_to_wait
from bitbucket_auth_async.oauth2.tokens import Token

_OK = 200
_CLIENT_ERRORS = range(400, 500)
_RETRY_LATER = frozenset({408, 425, 429})
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z.+-]{1,40}")


def token_request(token_endpoint: str, client: ClientAuthentication, grant: Grant, *, now: float) -> Request:
    """Return the token request for *grant* (RFC 6749 section 4); *now* is in seconds since the epoch.

    Raises:
        ConfigurationError: The grant or the client contains text that can't be encoded in a form.
    """
    try:
        headers, fields = client.proof(token_endpoint, now=now)
        # Bitbucket answers a JSON body with "Unsupported grant type: None": https://bitbucket.org/site/master/issues/16249
        body = urlencode({**grant.parameters(), "grant_type": grant.grant_type, **fields}).encode("ascii")
    except UnicodeEncodeError:
        # The cause contains the text that could not be encoded, which may be a secret.
        msg = "The client or the grant contains half of a surrogate pair; decode its text as UTF-8."
        raise ConfigurationError(msg) from None
    return Request(
        url=token_endpoint,
        headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", **headers},
        body=body,
    )


def token_from(response: Response, *, requested_at: float, scope: AbstractSet[str] = frozenset()) -> Token:
    """Return the token that the endpoint granted (RFC 6749 section 5.1).

    Args:
        response: The complete response.
        requested_at: Seconds since the epoch at which the request was sent.
        scope: The requested scope; it counts as granted if the response names no scope.

    Raises:
        InvalidGrantError: The code or token is no longer valid.
        InvalidClientError: The client is unknown, its secret is wrong or its registration is incomplete.
        OAuthError: Another refusal; the request or the registration must be corrected.
        UnavailableError: Neither a token nor a refusal: 5xx, 429, a redirect, HTML, garbage.
    """
    status = response.status
    if status == _OK:
        return _granted(response, requested_at, scope)
    if status in _CLIENT_ERRORS and status not in _RETRY_LATER:
        answer = _json_object(response.body) or {}
        refused = refusal(status, answer) or refusal_in_text(status, response.body)
        if refused is not None:
            raise refused
    raise _unavailable(response, requested_at)


def _granted(response: Response, requested_at: float, scope: AbstractSet[str]) -> Token:
    answer = _json_object(response.body)
    if answer is None:
        raise _unavailable(response, requested_at, "not a JSON object")
    try:
        token = Token.from_response(answer, requested_at=requested_at)
    except ConfigurationError as error:
        raise _unavailable(response, requested_at, f"without a valid token: {error}") from error
    return replace(token, scope=frozenset(scope)) if token.scope is None and scope else token


def _json_object(body: bytes) -> Mapping[str, Any] | None:
    try:
        # Integers as floats: one of 5,000 digits must not be a reason to drop the token next to it.
        answer = json.loads(body.decode("utf-8-sig"), parse_int=float)
    except (ValueError, RecursionError):
        return None
    return answer if is_mapping(answer) else None


def _unavailable(response: Response, now: float, why: str = "") -> UnavailableError:
    said = f"The token endpoint answered {response.status} with {_body_type(response)}"
    return UnavailableError(
        f"{said}, {why}".rstrip(", .") + ".",
        status=response.status,
        retry_after=seconds_to_wait(response.headers.get("retry-after"), now=now),
    )


def _body_type(response: Response) -> str:
    """Return a description of the body by media type and length, without its content."""
    if not response.body:
        return "an empty body"
    media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
    shown = media_type if _MEDIA_TYPE.fullmatch(media_type) else "content of unknown type"
    return f"{shown}, {len(response.body)} bytes"
