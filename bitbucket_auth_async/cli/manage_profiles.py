"""`profiles`: list the profiles, choose the default, or forget one."""

from bitbucket_auth_async.cli.profiles import client_secrets, profiles
from bitbucket_auth_async.cli.terminal.exit_code import ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message
from bitbucket_auth_async.cli.terminal.table import print_columns
from bitbucket_auth_async.cli.tokens import sign_out
from bitbucket_auth_async.errors import LoginRequiredError


def list_profiles() -> ExitCode:
    """Print all profiles and mark the default.

    Raises:
        LoginRequiredError: There is no profile.
    """
    found = profiles.load()
    if not found.by_name:
        msg = "There is no profile yet."
        raise LoginRequiredError(msg)
    rows = [
        [name, "default" if name == found.default else "", profile.grant_type, profile.client_id or "-", profile.store]
        for name, profile in sorted(found.by_name.items())
    ]
    print_columns([["PROFILE", "", "KIND", "CLIENT", "STORE"], *rows])
    return ExitCode.OK


def use_profile(name: str) -> ExitCode:
    """Make a profile the default."""
    profiles.use(name)
    print_message(f"The default profile is now {name}.")
    return ExitCode.OK


async def forget_profile(name: str) -> ExitCode:
    """Sign a profile out, and remove it and its client's secret."""
    profile = profiles.load().get(name)
    await sign_out(profile)
    client_secrets.forget(profile)
    profiles.forget(name)
    print_message(f"Removed the profile {name}.")
    return ExitCode.OK
