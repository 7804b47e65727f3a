"""Checks of this machine: files and their permissions, the store, the keyring, Git."""

import asyncio
import secrets
import shlex
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bitbucket_auth_async.cli.doctor.finding import Finding
from bitbucket_auth_async.cli.git import git_setup
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.open_profile import store_of
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError

_OTHERS = 0o077
_PATIENCE = 20.0
_SIZES = (16_000, 1_200)
"""Characters of an entry that the keyring store writes: on most systems, and on Windows."""


def check_files() -> Iterator[Finding]:
    """Check which users may read or change this user's files."""
    try:
        files = [paths.profiles_file(), paths.secrets_file(), paths.token_file(paths.DEFAULT_STORE)]
    except ConfigurationError as error:
        yield Finding("files", "error", str(error))
        return
    existing = [path for path in files if path is not None and path.exists()]
    open_files = [path for path in existing if path.stat().st_mode & _OTHERS]
    folders = sorted({path.parent for path in existing})
    open_folders = [folder for folder in folders if folder.stat().st_mode & 0o022]
    if open_files or open_folders:
        commands = [f"chmod 600 {shlex.join(map(str, open_files))}"] if open_files else []
        commands += [f"chmod 700 {shlex.join(map(str, open_folders))}"] if open_folders else []
        yield Finding("files", "error", f"Other users can read or change them. Run: {'; '.join(commands)}")
    else:
        yield Finding("files", "ok", f"private: {', '.join(map(str, folders)) or 'none yet'}")


async def check_store(profile: Profile) -> Finding:
    """Read the record, and write it back unchanged."""
    try:
        async with store_of(profile) as store:
            found = await store.load(profile.key)
            if found is None:
                text = f"It is readable, but contains no sign-in. Run: {profile.login_command}"
                return Finding("store", "warning", text)
            if found.record.claim is None:  # otherwise a process is renewing the token, and writes to the store itself
                await store.swap(profile.key, found.record, expected=found.version)
    except BitbucketAuthError as error:
        return Finding("store", "error", str(error))
    return Finding("store", "ok", f"readable and writable: {profile.store}")


async def check_keyring() -> Finding:
    """Find out how long an entry of the keyring may be: write one and delete it."""
    try:
        keyring: Any = import_module("keyring")
    except ModuleNotFoundError:
        return Finding("keyring", "error", "Its library is missing: pip install 'bitbucket-auth-async[keyring]'.")
    name = f"doctor {secrets.token_hex(8)}"

    def accepts(size: int) -> bool:
        text = "x" * size
        try:
            keyring.set_password(paths.NAME, name, text)
            accepted: bool = keyring.get_password(paths.NAME, name) == text
            keyring.delete_password(paths.NAME, name)
        except Exception:  # noqa: BLE001 - a backend may raise any error
            return False
        return accepted

    try:
        async with asyncio.timeout(_PATIENCE):
            for size in _SIZES:
                if await asyncio.to_thread(accepts, size):
                    return Finding("keyring", "ok", f"accepts entries of {size} characters, which is enough")
    except TimeoutError:
        return Finding("keyring", "error", f"It did not answer within {_PATIENCE:g} s. Unlock it.")
    text = f"It accepts no entry of {_SIZES[-1]} characters: it is locked or missing. Unlock it, or use a file store."
    return Finding("keyring", "error", text)


def check_git(profile: Profile) -> Finding:
    """Check whether Git asks this program for credentials, and whether the configured command exists."""
    if shutil.which("git") is None:
        return Finding("git", "warning", "Git is not installed, so it asks for no credentials.")
    try:
        helpers = git_setup.config_values(git_setup.helper_setting(profile), local=None)
    except CommandFailedError as error:
        return Finding("git", "error", str(error))
    ours = [helper for helper in helpers if git_setup.is_our_helper(helper)]
    if not ours:
        return Finding("git", "warning", "Git does not ask this program. If it should, run: bitbucket-auth git-setup")
    program = Path(shlex.split(ours[-1][1:])[0])
    if not program.exists():
        text = f"Git is configured to run {program}, which does not exist. Run: bitbucket-auth git-setup"
        return Finding("git", "error", text)
    if not git_setup.is_our_helper(helpers[-1]):
        return Finding("git", "warning", f"Git asks another helper after this one: {helpers[-1]}")
    return Finding("git", "ok", f"asks this program for {profile.server}")
