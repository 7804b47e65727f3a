"""Results on standard output, messages on standard error, and server text that is safe on a terminal.

It imports little, because Git waits for it at every command.
"""

import os
import sys


def print_result(text: str) -> None:
    """Write a result to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_message(text: str) -> None:
    """Write a message for the user to standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def printable(text: object, *, allowed: str = "") -> str:
    """Return a server's text with each control character, except those in *allowed*, replaced by a space."""
    return "".join(character if character.isprintable() or character in allowed else " " for character in str(text))


def report_system_error(error: OSError) -> None:
    """Print why the system refused, unless the reader of our output has gone, and close standard output."""
    # If our output failed, Python would report it again when it closes standard output.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        print_message(f"The system reported an error: {error.strerror or type(error).__name__}.")
