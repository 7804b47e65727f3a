"""Exit codes, and the failures that a command reports by them."""

from enum import IntEnum

from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SIGN_IN_NEEDED = 3
    TRY_AGAIN = 4
    INTERRUPTED = 130


class CommandFailedError(BitbucketAuthError):
    """A command failed; the message says why, and what to do."""


class UsageError(CommandFailedError):
    """An option has an invalid value, or options conflict."""


class SignInNeededError(LoginRequiredError):
    """A sign-in is needed; the message already ends with the command to run."""
