"""The page for a failed sign-in: it fits each error, and text of others is escaped."""

import pytest

from bitbucket_auth_async.errors import (
    AccessDeniedError,
    AuthorizationError,
    BitbucketAuthError,
    CallbackError,
    ConfigurationError,
    InvalidClientError,
    InvalidGrantError,
    LoginRequiredError,
    StoreError,
    TransportError,
    UnavailableError,
)
from bitbucket_auth_async.web.error_page import error_page, is_for_operator

MARKUP = '<img src=x onerror="alert(1)">'


def shown(error: BitbucketAuthError, return_to: str = "/") -> tuple[int, str]:
    answer = error_page(error, login="/login", return_to=return_to, cookies=())
    return answer.status, answer.body.decode()


@pytest.mark.parametrize(
    "error, status, told",
    [
        (AccessDeniedError("access_denied"), 403, "You declined"),
        (AuthorizationError("invalid_scope", "no such scope"), 400, "no such scope"),
        (AuthorizationError("temporarily_unavailable"), 503, "Try again in a moment"),
        (CallbackError("another state"), 400, "began in another browser"),
        (InvalidGrantError("invalid_grant", "spent", status=400), 400, "A sign-in works once"),
        (TransportError("no answer", sent=True), 503, "Try again in a moment"),
        (UnavailableError("down", status=503), 503, "Try again in a moment"),
        (StoreError("full"), 503, "Try again in a moment"),
    ],
)
def test_each_error_has_a_page_that_says_what_to_do(error: BitbucketAuthError, status: int, told: str) -> None:
    found, page = shown(error, "/me?a=b&c=d")
    assert (found, told in page) == (status, True)
    assert 'href="/login?return_to=%2Fme%3Fa%3Db%26c%3Dd"' in page
    assert not is_for_operator(error)


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("the consumer's secret is 12345"),
        InvalidClientError("invalid_client", "12345", status=401),
        LoginRequiredError("12345"),
    ],
)
def test_an_error_for_the_operator_is_not_shown_to_people(error: BitbucketAuthError) -> None:
    status, page = shown(error)
    assert (status, "Tell the operator of this site" in page, "12345" in page) == (500, True, False)
    assert is_for_operator(error)


@pytest.mark.parametrize(
    "error",
    [AuthorizationError("x", MARKUP), AuthorizationError(MARKUP), CallbackError(MARKUP), ConfigurationError(MARKUP)],
)
def test_text_of_others_is_escaped(error: BitbucketAuthError) -> None:
    assert "<img" not in shown(error)[1]
    assert "<img" not in shown(error, f'/"{MARKUP}')[1]


def test_the_page_loads_nothing_and_runs_no_script() -> None:
    answer = error_page(CallbackError("x"), login="/login", cookies=())
    assert b"<script" not in answer.body
    assert b"http" not in answer.body.partition(b"</style>")[2]
    policy = dict(answer.all_headers)["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
