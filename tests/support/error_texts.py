"""Everything of an error that could reach a log: its text, notes and attributes, and those of its causes."""

import traceback
from collections.abc import Iterator


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, its causes and its contexts, shown or not."""
    if error is not None:
        yield error
        yield from error_chain(error.__cause__)
        if error.__context__ is not error.__cause__:
            yield from error_chain(error.__context__)


def full_text(error: BaseException) -> str:
    """Return all that a logger might write about an error, except local variables."""
    return "\n".join(
        "".join(traceback.format_exception(one)) + repr(one) + repr(one.args) + repr(getattr(one, "__dict__", {}))
        for one in error_chain(error)
    )
