"""Runs a command, and turns its failure into one sentence and an exit code."""

import asyncio
import shlex
from collections.abc import Callable, Coroutine
from typing import Any

from bitbucket_auth_async.cli.terminal.exit_code import ExitCode, SignInNeededError, UsageError
from bitbucket_auth_async.cli.terminal.output import print_message, report_system_error
from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError


def run_command(command: Callable[[], ExitCode], profile: str | None = None) -> int:
    """Run *command* and return its exit code; a failure is printed as one sentence.

    Args:
        command: The work.
        profile: The value of `--profile`; the advice to sign in repeats it.
    """
    try:
        return command()
    except KeyboardInterrupt:
        print_message("Interrupted.")
        return ExitCode.INTERRUPTED
    except SignInNeededError as error:
        print_message(str(error))
        return ExitCode.SIGN_IN_NEEDED
    except LoginRequiredError as error:
        option = "" if profile is None else f" --profile {shlex.quote(profile)}"
        print_message(f"{error} Run: bitbucket-auth login{option}")
        return ExitCode.SIGN_IN_NEEDED
    except BitbucketAuthError as error:
        print_message(str(error))
        if isinstance(error, UsageError):
            return ExitCode.USAGE
        return ExitCode.TRY_AGAIN if error.retryable else ExitCode.FAILED
    except OSError as error:
        report_system_error(error)
        return ExitCode.FAILED


def run_async_command(command: Callable[[], Coroutine[Any, Any, ExitCode]], profile: str | None = None) -> int:
    """Run *command* in an event loop and return its exit code, as `run_command` does."""
    return run_command(lambda: asyncio.run(command()), profile)
