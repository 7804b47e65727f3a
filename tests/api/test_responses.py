"""Error responses become typed errors."""

import json
import pickle
from typing import Any

import pytest

from bitbucket_auth_async.api.errors import (
    ApiError,
    GoneError,
    MissingScopeError,
    NoAnswerError,
    NotFoundError,
    RateLimitedError,
)
from bitbucket_auth_async.api.responses import ApiResponse, error_from

NOW = 1_800_000_000.0


def judged(status: int, answer: object = None, /, **headers: str) -> ApiError:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from(ApiResponse("GET", "/2.0/user", status, named, body), now=NOW)


def envelope(**fault: object) -> dict[str, Any]:
    return {"type": "error", "error": fault}


def test_every_field_of_the_error_envelope_is_kept() -> None:
    error = judged(
        400,
        envelope(message="Bad request.", detail="Name is taken", fields={"name": ["taken"]}, id="e1", data={"k": "v"}),
    )
    assert type(error) is ApiError
    assert (error.status, error.method, error.path) == (400, "GET", "/2.0/user")
    assert (error.message, error.detail, error.id) == ("Bad request.", "Name is taken", "e1")
    assert (error.fields, error.data) == ({"name": ["taken"]}, {"k": "v"})
    assert str(error) == "GET /2.0/user returned 400: Bad request (Name is taken)."
    assert not error.retryable


@pytest.mark.parametrize(
    "body", [b"", b"<html>We are having a moment</html>", b"\xff\x00", b"[]", b"{}", b'{"error": 7}', b"[" * 100_000]
)
def test_a_body_without_an_envelope_is_named_by_its_status(body: bytes) -> None:
    error = judged(503, body)
    assert (error.message, error.retryable) == ("Service Unavailable", True)


def test_an_error_that_is_text_is_the_message() -> None:
    assert judged(400, {"error": "invalid", "type": "error"}).message == "invalid"


def test_an_unknown_status_is_shown() -> None:
    assert "599: no explanation" in str(judged(599))


def test_the_servers_message_is_one_line_of_limited_length() -> None:
    message = judged(400, envelope(message="a\r\nERROR forged line\x1b[2J" + "x" * 9_999, detail="b\nc")).message
    assert message.startswith("a ERROR forged line [2J")
    assert len(message) == 500
    assert message.isprintable()


def test_a_missing_scope_is_named_with_both_lists() -> None:
    error = judged(
        403,
        envelope(
            message="Your credentials lack one or more required privilege scopes.",
            detail={"required": ["account", "repository"], "granted": ["pullrequest"]},
        ),
    )
    assert isinstance(error, MissingScopeError)
    assert error.required == {"account", "repository"}
    assert error.granted == {"pullrequest"}
    assert error.missing == {"account"}, "pullrequest implies repository"
    assert "the scope account, then sign in again" in str(error)


def test_the_names_of_scopes_are_one_line_too() -> None:
    error = judged(403, envelope(message="x", detail={"required": ["\x1b]0;owned\x07\nrepo"], "granted": []}))
    assert isinstance(error, MissingScopeError)
    assert str(error).isprintable()


def test_a_bare_403_is_explained_by_the_headers() -> None:
    error = judged(403, b"Forbidden", x_oauth_scopes="team, email", x_accepted_oauth_scopes="account")
    assert isinstance(error, MissingScopeError)
    assert error.required == error.missing == {"account"}
    assert error.granted == {"team", "email"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_accepted_oauth_scopes": "account"},
        {"x_oauth_scopes": "email"},
        {"x_oauth_scopes": "pullrequest:write", "x_accepted_oauth_scopes": "repository"},
        {"x_oauth_scopes": "email", "x_accepted_oauth_scopes": "account,email"},
    ],
)
def test_a_403_that_is_not_about_scopes_is_a_plain_api_error(headers: dict[str, str]) -> None:
    assert type(judged(403, b"Forbidden", **headers)) is ApiError


@pytest.mark.parametrize("detail", [{"required": [], "granted": ["a"]}, {"required": "account"}, {"required": [7]}, []])
def test_invalid_lists_of_scopes_are_ignored(detail: object) -> None:
    assert type(judged(403, envelope(message="Forbidden", detail=detail))) is ApiError


def test_a_401_says_what_to_do() -> None:
    error = judged(401, envelope(message="Token is invalid, expired, or not supported for this endpoint."))
    assert type(error) is ApiError
    assert "refuses the token. Sign in again." in str(error)
    assert not error.retryable


def test_a_404_is_a_not_found_error() -> None:
    assert isinstance(judged(404, envelope(message="Repository acme/x not found")), NotFoundError)


def test_a_410_names_its_announcement() -> None:
    url = "https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-2770"
    error = judged(410, envelope(message="CHANGE-2770 - deprecated", data={"announcement_url": url}))
    assert isinstance(error, GoneError)
    assert error.announcement_url == url
    assert url in str(error)


@pytest.mark.parametrize("url", ["javascript:alert(1)", 7, None, "http://[::1", ""])
def test_an_announcement_without_a_web_address_is_ignored(url: object) -> None:
    error = judged(410, envelope(message="Gone", data={"announcement_url": url}))
    assert isinstance(error, GoneError)
    assert error.announcement_url is None


def test_a_429_gives_the_seconds_to_wait() -> None:
    error = judged(429, envelope(message="Rate limit for this resource has been exceeded."), retry_after="17")
    assert isinstance(error, RateLimitedError)
    assert (error.retry_after, error.retryable) == (17.0, True)
    assert judged(429).retry_after is None


def test_a_503_may_give_the_time_to_retry_at() -> None:
    assert judged(503, b"", retry_after="Fri, 15 Jan 2027 08:00:30 GMT").retry_after == 30.0


@pytest.mark.parametrize(
    "error",
    [
        judged(403, envelope(message="no", detail={"required": ["account"], "granted": []})),
        judged(410, envelope(message="no", data={"announcement_url": "https://a.example"})),
        judged(429, retry_after="3"),
        NoAnswerError("TimeoutError", method="GET", path="/2.0/user", sent=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_are_complete_after_pickling_and_for_each_waiter(error: ApiError) -> None:
    for copy in (pickle.loads(pickle.dumps(error)), error.again()):  # noqa: S301 - our own
        assert type(copy) is type(error)
        assert (str(copy), vars(copy)) == (str(error), vars(error))
