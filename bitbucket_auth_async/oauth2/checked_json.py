"""Plain data read back: each reader returns what it was asked for, or raises an error that shows no value."""

import math
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

_MOST: Final = 2**63 - 1


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether it is an object with names."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether it is a list."""
    return isinstance(value, list)


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object with names.

    Raises:
        TypeError: It is something else.
    """
    if not is_mapping(value):
        raise TypeError(kind(value))
    return value


def items(value: object) -> list[Any]:
    """Return a list.

    Raises:
        TypeError: It is something else.
    """
    if not is_list(value):
        raise TypeError(kind(value))
    return value


def text(value: object) -> str:
    """Return a text.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, str):
        raise TypeError(kind(value))
    return value


def flag(value: object) -> bool:
    """Return True or False.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, bool):
        raise TypeError(kind(value))
    return value


def whole(value: object) -> int:
    """Return a whole number that is not negative.

    Raises:
        TypeError: It is something else.
        ValueError: It is negative, or larger than any count of ours.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(kind(value))
    if not 0 <= value <= _MOST:
        raise ValueError(kind(value))
    return value


def number(value: object) -> float:
    """Return a finite number.

    Raises:
        TypeError: It is something else.
        ValueError: It is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(kind(value))
    if not -_MOST <= value <= _MOST or not math.isfinite(value):
        raise ValueError(kind(value))
    return float(value)


def kind(value: object) -> str:
    """Name what a value is, without showing it."""
    return "nothing" if value is None or value == "" else f"a {type(value).__name__}"
