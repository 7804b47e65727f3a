"""Tells Git to ask us for Bitbucket, for this user or for one repository, and takes it back."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, FailedError, say

_NOT_THERE = 1
_MARK = " git-credential --profile "


def git_setup(profile: Profile, *, local: bool) -> ExitCode:
    """Write the configuration; a second time changes nothing.

    Raises:
        FailedError: Git is not there, or refuses.
    """
    name, ours = setting(profile), _helper(profile)
    rest = _without_ours(values(name, local=local))
    # An empty value makes Git forget the helpers that were named before, some of which would store our token.
    _rewrite(name, values(name, local=local), [*rest, "", ours], local=local)
    say(f"Git asks bitbucket-auth for {profile.server} from now on ({_scope(local=local)}; profile {profile.name}).")
    say(f"To undo: bitbucket-auth git-setup --undo{' --local' if local else ''}")
    return ExitCode.FINE


def git_undo(profile: Profile, *, local: bool) -> ExitCode:
    """Take out what `git_setup` wrote, and nothing else.

    Raises:
        FailedError: Git is not there, or refuses.
    """
    name = setting(profile)
    before = values(name, local=local)
    rest = _without_ours(before)
    if rest == before:
        say(f"There is nothing of bitbucket-auth for {profile.server} in Git's configuration ({_scope(local=local)}).")
        return ExitCode.FINE
    _rewrite(name, before, rest, local=local)
    say(f"Git no longer asks bitbucket-auth for {profile.server} ({_scope(local=local)}).")
    return ExitCode.FINE


def setting(profile: Profile) -> str:
    """Return the name of Git's setting for a profile's server."""
    return f"credential.{profile.server}.helper"


def values(name: str, *, local: bool | None) -> list[str]:
    """Return the values of a setting: this repository's, this user's, or with None all that count here."""
    done = _git(local, "--null", "--get-all", name, allowed=(0, _NOT_THERE))
    return done.split("\0")[:-1]


def is_ours(value: str) -> bool:
    """Tell whether a helper is this program."""
    return value.startswith("!") and _MARK in value


def _without_ours(found: list[str]) -> list[str]:
    """Take out our helper, and the empty value that was written before it."""
    rest: list[str] = []
    for value in found:
        if not is_ours(value):
            rest.append(value)
        elif rest and not rest[-1]:
            rest.pop()
    return rest


def _rewrite(name: str, before: list[str], after: list[str], *, local: bool) -> None:
    if before == after:
        return
    kept = before if after[: len(before)] == before else []
    if before and not kept:
        _git(local, "--unset-all", name)
    for value in after[len(kept) :]:
        _git(local, "--add", name, value)


def _helper(profile: Profile) -> str:
    """Return the command by which Git calls this very program, wherever Git is called from."""
    script = Path(sys.argv[0])
    found = shutil.which(script.name) if os.sep not in sys.argv[0] else str(script.absolute())
    if script.name == "bitbucket-auth" and found is not None:
        words = [found]
    else:
        words = [sys.executable, "-m", "bitbucket_auth_async"]
    return f"!{shlex.join(words)}{_MARK}{shlex.quote(profile.name)}"


def _git(local: bool | None, *words: str, allowed: tuple[int, ...] = (0,)) -> str:  # noqa: FBT001 - three places, of which None is one
    git = shutil.which("git")
    if git is None:
        msg = "Git is not installed, or not on the PATH."
        raise FailedError(msg)
    where = [] if local is None else ["--local" if local else "--global"]
    # Values of others may be in any encoding, and go back as they came.
    done = subprocess.run(  # noqa: S603 - the words are ours, and no shell reads them
        [git, "config", *where, *words], capture_output=True, check=False, encoding="utf-8", errors="surrogateescape"
    )
    if done.returncode not in allowed:
        hint = " Run it inside a repository, or leave --local out." if local else ""
        msg = f"Git refused: {done.stderr.strip() or f'exit code {done.returncode}'}.{hint}"
        raise FailedError(msg)
    return done.stdout


def _scope(*, local: bool) -> str:
    return "this repository" if local else "all your repositories"
