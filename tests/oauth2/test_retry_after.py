"""Retry-After: seconds or a date, at most an hour; None for an invalid value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.oauth2.retry_after import LONGEST_WAIT, seconds_to_wait

NOW = 784_111_700.0  # 77 seconds before the date of RFC 9110's examples


@pytest.mark.parametrize(
    "value, wait",
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("3600", 3600.0),
        ("86400", 3600.0),
        ("9" * 64, 3600.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 77.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 77.0),
        ("Sun Nov  6 08:49:37 1994", 77.0),
        ("Sun, 06 Nov 1994 07:00:00 GMT", 0.0),
        ("Sun, 06 Nov 2094 08:49:37 GMT", 3600.0),
        (None, None),
        ("", None),
        ("9" * 65, None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 06 Nov 1994", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 10:49:37 +0200", 77.0),
        ("Sun, 06 Nov 999999999999 08:49:37 GMT", None),
    ],
)
def test_the_header_is_seconds_or_a_date_or_invalid(value: str | None, wait: float | None) -> None:
    assert seconds_to_wait(value, now=NOW) == wait


@given(
    st.text(max_size=70)
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,9} [0-9:]{1,12}( .*)?", fullmatch=True)
)
def test_every_value_gives_at_most_an_hour_or_none(value: str) -> None:
    wait = seconds_to_wait(value, now=NOW)
    assert wait is None or 0.0 <= wait <= LONGEST_WAIT
