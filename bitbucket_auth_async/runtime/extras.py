"""Which extra brings a library that not everybody needs: said where its import fails."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Generator[None]:
    """Import a library inside: if it is missing, the ModuleNotFoundError tells how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        error.add_note(f"An extra brings it: pip install 'bitbucket-auth-async[{name}]'")
        raise
