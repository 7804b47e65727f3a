import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.bearer._policy import Sent, allowed_origins, authorization
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token

ONE = Token(access_token="one", issued_at=0.0)
TWO = Token(access_token="two", issued_at=0.0)


class Source:
    server = AuthorizationServer(
        authorization_endpoint="https://sso.test/a",
        token_endpoint="https://sso.test/t",
        api_origins=frozenset({"https://API.Example.test:8443/rest"}),
    )


def test_r12_by_default_the_token_goes_where_the_sources_server_says() -> None:
    assert allowed_origins(Source(), None) == {
        ("https", "api.example.test", 8443),
        ("wss", "api.example.test", 8443),
    }


def test_r12_without_a_server_it_goes_to_bitbucket_cloud_alone() -> None:
    assert BITBUCKET_CLOUD.api_origins == {"https://api.bitbucket.org"}
    assert allowed_origins(object(), None) == {("https", "api.bitbucket.org", 443), ("wss", "api.bitbucket.org", 443)}


def test_r12_what_is_given_replaces_the_default() -> None:
    assert allowed_origins(Source(), ["http://[::1]:80"]) == {("http", "::1", 80), ("ws", "::1", 80)}
    assert allowed_origins(Source(), []) == frozenset()


def test_one_origin_may_be_given_as_text() -> None:
    assert allowed_origins(Source(), "http://localhost") == {("http", "localhost", 80), ("ws", "localhost", 80)}


@pytest.mark.parametrize("origin", ["http://api.bitbucket.org", "https://me@api.bitbucket.org", "api.bitbucket.org"])
def test_r12_an_unsafe_origin_is_refused(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="origins"):
        allowed_origins(Source(), [origin])


def test_the_header_is_a_bearer() -> None:
    assert authorization(ONE) == "Bearer one"


@pytest.mark.parametrize(
    "status, accepted", [(101, True), (200, True), (204, True), (302, False), (401, False), (404, False), (500, False)]
)
def test_only_success_shows_that_a_token_is_accepted(status: int, *, accepted: bool) -> None:
    sent = Sent()
    refused, later = sent.number(ONE), sent.number(ONE)
    sent.answered(ONE, later, status)
    assert sent.still_accepted(ONE, refused) is accepted


def test_success_before_the_refused_request_proves_nothing() -> None:
    sent = Sent()
    earlier, refused = sent.number(ONE), sent.number(ONE)
    sent.answered(ONE, earlier, 200)
    assert not sent.still_accepted(ONE, refused)


def test_answers_may_come_in_any_order() -> None:
    sent = Sent()
    earlier, refused, later = (sent.number(ONE) for _ in range(3))
    sent.answered(ONE, later, 200)
    sent.answered(ONE, earlier, 200)
    assert sent.still_accepted(ONE, refused)


def test_success_with_another_token_proves_nothing() -> None:
    sent = Sent()
    refused, newer = sent.number(ONE), sent.number(TWO)
    sent.answered(TWO, newer, 200)
    assert not sent.still_accepted(ONE, refused)
    late = sent.number(TWO)
    sent.answered(ONE, late, 200)
    assert not sent.still_accepted(TWO, newer)


def test_a_token_read_anew_from_the_store_is_the_same_token() -> None:
    sent = Sent()
    refused = sent.number(ONE)
    later = sent.number(Token(access_token="one", issued_at=0.0))
    sent.answered(ONE, later, 200)
    assert sent.still_accepted(ONE, refused)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([200, 401, 500])), max_size=30))
def test_the_verdict_is_that_of_all_requests_with_the_token(requests: list[tuple[bool, int]]) -> None:
    """Held against a plain list of everything that was sent with the token in use at the end."""
    sent = Sent()
    log: list[tuple[Token, int, int]] = []
    for second, status in sorted(requests):
        token = TWO if second else ONE
        number = sent.number(token)
        log.append((token, number, status))
        sent.answered(token, number, status)
    if log:
        last = log[-1][0]
        for number in range(len(log) + 1):
            expected = any(t == last and n > number and status == 200 for t, n, status in log)
            assert sent.still_accepted(last, number) is expected
