"""Registers the credential helper in Git's configuration, for this user or one repository, and removes it."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError, ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message

_NOT_SET = 1
"""Exit code of `git config --get-all` for a setting without a value."""
_MARK = " git-credential --profile "


def git_setup(profile: Profile, *, local: bool) -> ExitCode:
    """Write the configuration; running it again changes nothing.

    Raises:
        CommandFailedError: Git is missing, or refuses.
    """
    setting, helper = helper_setting(profile), _helper_command(profile)
    before = config_values(setting, local=local)
    # An empty value makes Git forget helpers from earlier configuration, some of which would store our token.
    _rewrite(setting, before, [*_without_ours(before), "", helper], local=local)
    print_message(f"Git now asks bitbucket-auth for {profile.server} ({_scope(local=local)}; profile {profile.name}).")
    print_message(f"To undo this, run: bitbucket-auth git-setup --undo{' --local' if local else ''}")
    return ExitCode.OK


def git_undo(profile: Profile, *, local: bool) -> ExitCode:
    """Remove only what `git_setup` wrote.

    Raises:
        CommandFailedError: Git is missing, or refuses.
    """
    setting = helper_setting(profile)
    before = config_values(setting, local=local)
    rest = _without_ours(before)
    if rest == before:
        print_message(f"Git does not ask bitbucket-auth for {profile.server} ({_scope(local=local)}); nothing to undo.")
        return ExitCode.OK
    _rewrite(setting, before, rest, local=local)
    print_message(f"Git no longer asks bitbucket-auth for {profile.server} ({_scope(local=local)}).")
    return ExitCode.OK


def helper_setting(profile: Profile) -> str:
    """Return the name of Git's setting that holds the helpers for a profile's server."""
    return f"credential.{profile.server}.helper"


def config_values(setting: str, *, local: bool | None) -> list[str]:
    """Return the values of a setting: of this repository (True), of this user (False), or all in effect here (None)."""
    output = _git_config(local, "--null", "--get-all", setting, allowed=(0, _NOT_SET))
    return output.split("\0")[:-1]


def is_our_helper(value: str) -> bool:
    """Tell whether a helper is this program."""
    return value.startswith("!") and _MARK in value


def _without_ours(values: list[str]) -> list[str]:
    """Return the values without our helper and the empty value in front of it."""
    rest: list[str] = []
    for value in values:
        if not is_our_helper(value):
            rest.append(value)
        elif rest and not rest[-1]:
            rest.pop()
    return rest


def _rewrite(setting: str, before: list[str], after: list[str], *, local: bool) -> None:
    if before == after:
        return
    kept = before if after[: len(before)] == before else []
    if before and not kept:
        _git_config(local, "--unset-all", setting)
    for value in after[len(kept) :]:
        _git_config(local, "--add", setting, value)


def _helper_command(profile: Profile) -> str:
    """Return the command that starts this program from any folder."""
    script = Path(sys.argv[0])
    found = shutil.which(script.name) if os.sep not in sys.argv[0] else str(script.absolute())
    if script.name == "bitbucket-auth" and found is not None:
        words = [found]
    else:
        words = [sys.executable, "-m", "bitbucket_auth_async"]
    return f"!{shlex.join(words)}{_MARK}{shlex.quote(profile.name)}"


def _git_config(local: bool | None, *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:  # noqa: FBT001 - as `config_values` takes it
    git = shutil.which("git")
    if git is None:
        msg = "Git is not installed, or not on the PATH."
        raise CommandFailedError(msg)
    where = [] if local is None else ["--local" if local else "--global"]
    # Other values may be in any encoding, and must be written back unchanged.
    done = subprocess.run(  # noqa: S603 - the arguments are ours, and no shell reads them
        [git, "config", *where, *arguments],
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="surrogateescape",
    )
    if done.returncode not in allowed:
        hint = " Run it inside a repository, or omit --local." if local else ""
        msg = f"Git refused: {done.stderr.strip() or f'exit code {done.returncode}'}.{hint}"
        raise CommandFailedError(msg)
    return done.stdout


def _scope(*, local: bool) -> str:
    return "this repository" if local else "all your repositories"
