"""How a command ends: its work is run, and whatever stops it becomes one sentence and an exit code."""

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any

from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError


class ExitCode(IntEnum):
    """What the shell is told."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    SIGN_IN_NEEDED = 3
    TRY_AGAIN = 4
    INTERRUPTED = 130


class FailedError(BitbucketAuthError):
    """A command can't do what it was asked for; the text says why, and what to do."""


class WrongUsageError(FailedError):
    """The words of the command line do not go together, or one of them means nothing."""


class SignInAgainError(LoginRequiredError):
    """Somebody must sign in, and the text says by which command."""


def say(text: str) -> None:
    """Tell the person something; what a program would read goes to standard output instead."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def out(text: str) -> None:
    """Write a result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def printable(text: object, *, but: str = "") -> str:
    """Return a server's text fit for a terminal: no control character *but* these, which might move the cursor."""
    return "".join(character if character.isprintable() or character in but else " " for character in str(text))


def finish(work: Callable[[], ExitCode], profile: str | None = None) -> int:
    """Do *work*, for the profile that was named, and return the exit code; its failure is told in one sentence."""
    try:
        return work()
    except KeyboardInterrupt:
        say("Interrupted.")
        return ExitCode.INTERRUPTED
    except SignInAgainError as error:
        say(str(error))
        return ExitCode.SIGN_IN_NEEDED
    except LoginRequiredError as error:
        say(f"{error} Run: bitbucket-auth login" + ("" if profile is None else f" --profile {shlex.quote(profile)}"))
        return ExitCode.SIGN_IN_NEEDED
    except BitbucketAuthError as error:
        say(str(error))
        if isinstance(error, WrongUsageError):
            return ExitCode.USAGE
        return ExitCode.TRY_AGAIN if error.retryable else ExitCode.FAILED
    except OSError as error:
        # If it is our output that failed, Python would complain once more as it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # whoever read it has gone
            say(f"The system refused: {error.strerror or type(error).__name__}.")
        return ExitCode.FAILED


def finish_async(work: Callable[[], Coroutine[Any, Any, ExitCode]], profile: str | None = None) -> int:
    """Do *work* in an event loop, for the profile that was named, and return the exit code."""
    return finish(lambda: asyncio.run(work()), profile)
