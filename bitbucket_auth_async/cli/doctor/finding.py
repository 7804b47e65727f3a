"""What the doctor finds: a verdict on one thing, and what to do where it is not fine."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    about: str
    verdict: Literal["fine", "warning", "wrong"]
    text: str
    """How it is; and, unless it is fine, what to do."""
