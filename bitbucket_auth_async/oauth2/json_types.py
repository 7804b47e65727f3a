"""Type checks for decoded JSON: each function returns its argument or raises an error that does not quote it."""

import math
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

_LARGEST: Final = 2**63 - 1


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether *value* is a JSON object."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Return whether *value* is a JSON array."""
    return isinstance(value, list)


def expect_mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object.

    Raises:
        TypeError: The value is something else.
    """
    if not is_mapping(value):
        raise TypeError(describe_type(value))
    return value


def expect_list(value: object) -> list[Any]:
    """Return a JSON array.

    Raises:
        TypeError: The value is something else.
    """
    if not is_list(value):
        raise TypeError(describe_type(value))
    return value


def expect_str(value: object) -> str:
    """Return a string.

    Raises:
        TypeError: The value is something else.
    """
    if not isinstance(value, str):
        raise TypeError(describe_type(value))
    return value


def expect_bool(value: object) -> bool:
    """Return True or False.

    Raises:
        TypeError: The value is something else.
    """
    if not isinstance(value, bool):
        raise TypeError(describe_type(value))
    return value


def expect_count(value: object) -> int:
    """Return an integer from 0 to 2**63 - 1.

    Raises:
        TypeError: The value is something else.
        ValueError: The integer is out of this range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(describe_type(value))
    if not 0 <= value <= _LARGEST:
        raise ValueError(describe_type(value))
    return value


def expect_number(value: object) -> float:
    """Return a finite number as a float.

    Raises:
        TypeError: The value is something else.
        ValueError: The number is not finite, or its magnitude exceeds 2**63 - 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(describe_type(value))
    if not -_LARGEST <= value <= _LARGEST or not math.isfinite(value):
        raise ValueError(describe_type(value))
    return float(value)


def describe_type(value: object) -> str:
    """Return the type of a value for an error message, never the value itself."""
    return "nothing" if value is None or value == "" else f"a {type(value).__name__}"
