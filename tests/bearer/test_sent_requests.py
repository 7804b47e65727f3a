import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.bearer._sent_requests import SentRequests
from bitbucket_auth_async.oauth2.tokens import Token

ONE = Token(access_token="one", issued_at=0.0)
TWO = Token(access_token="two", issued_at=0.0)


@pytest.mark.parametrize(
    "status, accepted", [(101, True), (200, True), (204, True), (302, False), (401, False), (404, False), (500, False)]
)
def test_only_a_successful_response_proves_that_a_token_is_accepted(status: int, *, accepted: bool) -> None:
    sent = SentRequests()
    refused, later = sent.add(ONE), sent.add(ONE)
    sent.answered(ONE, later, status)
    assert sent.still_accepted(ONE, refused) is accepted


def test_a_success_before_the_refused_request_proves_nothing() -> None:
    sent = SentRequests()
    earlier, refused = sent.add(ONE), sent.add(ONE)
    sent.answered(ONE, earlier, 200)
    assert not sent.still_accepted(ONE, refused)


def test_responses_may_arrive_in_any_order() -> None:
    sent = SentRequests()
    earlier, refused, later = (sent.add(ONE) for _ in range(3))
    sent.answered(ONE, later, 200)
    sent.answered(ONE, earlier, 200)
    assert sent.still_accepted(ONE, refused)


def test_a_success_with_another_token_proves_nothing() -> None:
    sent = SentRequests()
    refused, newer = sent.add(ONE), sent.add(TWO)
    sent.answered(TWO, newer, 200)
    assert not sent.still_accepted(ONE, refused)
    late = sent.add(TWO)
    sent.answered(ONE, late, 200)
    assert not sent.still_accepted(TWO, newer)


def test_a_token_loaded_again_from_the_store_is_the_same_token() -> None:
    sent = SentRequests()
    refused = sent.add(ONE)
    later = sent.add(Token(access_token="one", issued_at=0.0))
    sent.answered(ONE, later, 200)
    assert sent.still_accepted(ONE, refused)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([200, 401, 500])), max_size=30))
def test_the_two_numbers_give_the_same_answer_as_a_full_log(requests: list[tuple[bool, int]]) -> None:
    """The log is a plain list of all requests with the token that is current at the end."""
    sent = SentRequests()
    log: list[tuple[Token, int, int]] = []
    for second, status in sorted(requests):
        token = TWO if second else ONE
        number = sent.add(token)
        log.append((token, number, status))
        sent.answered(token, number, status)
    if log:
        last = log[-1][0]
        for number in range(len(log) + 1):
            expected = any(t == last and n > number and status == 200 for t, n, status in log)
            assert sent.still_accepted(last, number) is expected
