"""Readers of plain data: the right thing comes back, the wrong one is named by its kind alone."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import pytest

from bitbucket_auth_async.oauth2.checked_json import flag, items, kind, mapping, number, text, whole

EMPTY: Mapping[str, object] = MappingProxyType({})


@pytest.mark.parametrize(
    "read, value",
    [
        (mapping, {"a": 1}),
        (mapping, EMPTY),
        (items, []),
        (items, [1, "a"]),
        (text, ""),
        (text, "a"),
        (flag, True),
        (flag, False),
        (whole, 0),
        (whole, 2**63 - 1),
        (number, 0),
        (number, -1.5),
    ],
)
def test_the_right_kind_comes_back_as_it_is(read: Callable[[object], object], value: object) -> None:
    assert read(value) == value


def test_a_number_comes_back_as_a_float() -> None:
    assert type(number(3)) is float
    assert number(2**63 - 1) == 2.0**63
    assert number(-(2**63) + 1) == -(2.0**63)


@pytest.mark.parametrize(
    "read, value, shown",
    [
        (mapping, [], "a list"),
        (mapping, None, "nothing"),
        (items, "secret", "a str"),
        (items, {"secret": 1}, "a dict"),
        (items, ("secret",), "a tuple"),
        (text, 5, "a int"),
        (text, b"secret", "a bytes"),
        (flag, 1, "a int"),
        (flag, "", "nothing"),
        (whole, True, "a bool"),
        (whole, 1.0, "a float"),
        (whole, "1", "a str"),
        (number, True, "a bool"),
        (number, "1.5", "a str"),
        (number, None, "nothing"),
    ],
)
def test_another_kind_is_named_and_not_shown(read: Callable[[object], object], value: object, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        read(value)
    assert str(caught.value) == shown


@pytest.mark.parametrize(
    "read, value",
    [
        (whole, -1),
        (whole, 2**63),
        (number, math.nan),
        (number, math.inf),
        (number, -math.inf),
        (number, 2**63),
        (number, -(2**63)),
        (number, 10**400),
        (number, -(10**400)),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(read: Callable[[object], object], value: object) -> None:
    with pytest.raises(ValueError, match=r"^a (int|float)$"):
        read(value)


def test_kind_names_what_is_not_there() -> None:
    assert [kind(None), kind(""), kind("a"), kind([])] == ["nothing", "nothing", "a str", "a list"]
