"""A finding of the doctor."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    about: str
    verdict: Literal["ok", "warning", "error"]
    text: str
    """The facts, and what to do unless the verdict is ok."""
