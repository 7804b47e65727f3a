"""The doctor on this machine: files and who may read them, the store, the keyring, Git."""

import asyncio
import secrets
import shlex
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bitbucket_auth_async.cli.doctor.findings import Finding
from bitbucket_auth_async.cli.git import setup
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.open_profile import store_of
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.terminal.outcome import FailedError
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError

_OTHERS = 0o077
_PATIENCE = 20.0
_SIZES = (16_000, 1_200)
"""Characters of an entry: what a store in the keyring writes on most systems, and on Windows."""


def check_files() -> Iterator[Finding]:
    """Look at the files of this user, and who else may read them."""
    try:
        files = [paths.profiles_file(), paths.secrets_file(), paths.token_file(paths.DEFAULT_STORE)]
    except ConfigurationError as error:
        yield Finding("files", "wrong", str(error))
        return
    there = [path for path in files if path is not None and path.exists()]
    open_ones = [path for path in there if path.stat().st_mode & _OTHERS]
    folders = sorted({path.parent for path in there})
    open_folders = [folder for folder in folders if folder.stat().st_mode & 0o022]
    if open_ones or open_folders:
        words = [f"chmod 600 {shlex.join(map(str, open_ones))}"] if open_ones else []
        words += [f"chmod 700 {shlex.join(map(str, open_folders))}"] if open_folders else []
        yield Finding("files", "wrong", f"Others may read or change them. Run: {'; '.join(words)}")
    else:
        where = ", ".join(map(str, folders)) or "none yet"
        yield Finding("files", "fine", f"for this user alone: {where}")


async def check_store(profile: Profile) -> Finding:
    """Read the record, and write it as it is."""
    try:
        async with store_of(profile) as store:
            found = await store.load(profile.key)
            if found is None:
                text = f"It can be read, and holds no sign-in. Run: {profile.login_command}"
                return Finding("store", "warning", text)
            if found.record.claim is None:  # else somebody renews right now, and writes anyway
                await store.swap(profile.key, found.record, expected=found.version)
    except BitbucketAuthError as error:
        return Finding("store", "wrong", str(error))
    return Finding("store", "fine", f"can be read and written: {profile.store}")


async def check_keyring() -> Finding:
    """Find out how long an entry the keyring takes, by writing one and taking it out again."""
    try:
        keyring: Any = import_module("keyring")
    except ModuleNotFoundError:
        return Finding("keyring", "wrong", "Its library is missing: pip install 'bitbucket-auth-async[keyring]'.")
    name = f"doctor {secrets.token_hex(8)}"

    def takes(size: int) -> bool:
        text = "x" * size
        try:
            keyring.set_password(paths.NAME, name, text)
            taken: bool = keyring.get_password(paths.NAME, name) == text
            keyring.delete_password(paths.NAME, name)
        except Exception:  # noqa: BLE001 - whatever a backend raises, it does not take it
            return False
        return taken

    try:
        async with asyncio.timeout(_PATIENCE):
            for size in _SIZES:
                if await asyncio.to_thread(takes, size):
                    return Finding("keyring", "fine", f"takes entries of {size} characters, which is enough")
    except TimeoutError:
        return Finding("keyring", "wrong", f"It did not answer within {_PATIENCE:g} s. Unlock it.")
    text = f"It takes no entry of {_SIZES[-1]} characters: it is locked or absent. Unlock it, or use a store of files."
    return Finding("keyring", "wrong", text)


def check_git(profile: Profile) -> Finding:
    """See whether Git asks us, and whether what it would call is there."""
    if shutil.which("git") is None:
        return Finding("git", "warning", "Git is not installed, so nothing asks for credentials.")
    try:
        values = setup.values(setup.setting(profile), local=None)
    except FailedError as error:
        return Finding("git", "wrong", str(error))
    ours = [value for value in values if setup.is_ours(value)]
    if not ours:
        return Finding("git", "warning", "Git does not ask this program. If it should: bitbucket-auth git-setup")
    program = Path(shlex.split(ours[-1][1:])[0])
    if not program.exists():
        text = f"Git is told to call {program}, which is not there. Run: bitbucket-auth git-setup"
        return Finding("git", "wrong", text)
    if not setup.is_ours(values[-1]):
        return Finding("git", "warning", f"Git asks another helper after this one: {values[-1]}")
    return Finding("git", "fine", f"asks this program for {profile.server}")
