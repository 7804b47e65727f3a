"""Type checks of decoded JSON: a right value is returned, a wrong one is described by its type alone."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import pytest

from bitbucket_auth_async.oauth2.json_types import (
    describe_type,
    expect_bool,
    expect_count,
    expect_list,
    expect_mapping,
    expect_number,
    expect_str,
)

EMPTY: Mapping[str, object] = MappingProxyType({})


@pytest.mark.parametrize(
    "read, value",
    [
        (expect_mapping, {"a": 1}),
        (expect_mapping, EMPTY),
        (expect_list, []),
        (expect_list, [1, "a"]),
        (expect_str, ""),
        (expect_str, "a"),
        (expect_bool, True),
        (expect_bool, False),
        (expect_count, 0),
        (expect_count, 2**63 - 1),
        (expect_number, 0),
        (expect_number, -1.5),
    ],
)
def test_a_value_of_the_right_type_is_returned_unchanged(read: Callable[[object], object], value: object) -> None:
    assert read(value) == value


def test_a_number_is_returned_as_a_float() -> None:
    assert type(expect_number(3)) is float
    assert expect_number(2**63 - 1) == 2.0**63
    assert expect_number(-(2**63) + 1) == -(2.0**63)


@pytest.mark.parametrize(
    "read, value, shown",
    [
        (expect_mapping, [], "a list"),
        (expect_mapping, None, "nothing"),
        (expect_list, "secret", "a str"),
        (expect_list, {"secret": 1}, "a dict"),
        (expect_list, ("secret",), "a tuple"),
        (expect_str, 5, "a int"),
        (expect_str, b"secret", "a bytes"),
        (expect_bool, 1, "a int"),
        (expect_bool, "", "nothing"),
        (expect_count, True, "a bool"),
        (expect_count, 1.0, "a float"),
        (expect_count, "1", "a str"),
        (expect_number, True, "a bool"),
        (expect_number, "1.5", "a str"),
        (expect_number, None, "nothing"),
    ],
)
def test_an_error_names_the_type_and_hides_the_value(
    read: Callable[[object], object], value: object, shown: str
) -> None:
    with pytest.raises(TypeError) as caught:
        read(value)
    assert str(caught.value) == shown


@pytest.mark.parametrize(
    "read, value",
    [
        (expect_count, -1),
        (expect_count, 2**63),
        (expect_number, math.nan),
        (expect_number, math.inf),
        (expect_number, -math.inf),
        (expect_number, 2**63),
        (expect_number, -(2**63)),
        (expect_number, 10**400),
        (expect_number, -(10**400)),
    ],
)
def test_a_number_out_of_range_is_refused(read: Callable[[object], object], value: object) -> None:
    with pytest.raises(ValueError, match=r"^a (int|float)$"):
        read(value)


def test_none_and_empty_text_are_described_as_nothing() -> None:
    assert [describe_type(None), describe_type(""), describe_type("a"), describe_type([])] == [
        "nothing",
        "nothing",
        "a str",
        "a list",
    ]
