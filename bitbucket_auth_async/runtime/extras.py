"""extra: names the extra to install where the import of an optional library fails."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Generator[None]:
    """Add to the block's ModuleNotFoundError how to install the library."""
    try:
        yield
    except ModuleNotFoundError as error:
        error.add_note(f"An extra brings it: pip install 'bitbucket-auth-async[{name}]'")
        raise
