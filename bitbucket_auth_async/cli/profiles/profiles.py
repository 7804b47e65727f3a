"""All profiles, in one private file of the user's configuration folder."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError
from bitbucket_auth_async.codecs.json import json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError, RecordError, StoreError
from bitbucket_auth_async.oauth2.json_types import expect_mapping, expect_str
from bitbucket_auth_async.runtime import private_file

_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles, and the name of the default one."""

    default: str
    by_name: Mapping[str, Profile]

    def get(self, name: str | None) -> Profile:
        """Return a profile by its name; None: the default one.

        Raises:
            LoginRequiredError: There is no profile yet.
            ConfigurationError: There is no profile of this name.
        """
        wanted = self.default if name is None else name
        if wanted in self.by_name:
            return self.by_name[wanted]
        if not self.by_name:
            msg = "There is no sign-in on this machine yet."
            raise LoginRequiredError(msg)
        known = ", ".join(sorted(self.by_name))
        msg = f"There is no profile {wanted!r}; known: {known}. To create it: bitbucket-auth login --profile {wanted}"
        raise ConfigurationError(msg)


def load() -> Profiles:
    """Return the profiles in the file; an absent file contains no profile.

    Raises:
        StoreError: The file can't be read, or is damaged.
    """
    path = paths.profiles_file()
    try:
        content = private_file.read(str(path))
    except OSError as error:
        raise private_file.store_error(str(path), "read", error) from error
    return _parse(path, content)


def save(profile: Profile) -> None:
    """Save a profile; the first one becomes the default.

    Raises:
        StoreError: The file can't be written; its old content is intact.
    """
    _change(lambda old: Profiles(old.default if old.by_name else profile.name, {**old.by_name, profile.name: profile}))


def use(name: str) -> None:
    """Make a profile the default.

    Raises:
        ConfigurationError: There is no profile of this name.
        StoreError: The file can't be written.
    """
    _change(lambda old: Profiles(old.get(name).name, old.by_name))


def forget(name: str) -> None:
    """Remove a profile; if it was the default, another one becomes the default.

    Raises:
        ConfigurationError: There is no profile of this name.
        StoreError: The file can't be written.
    """

    def without(old: Profiles) -> Profiles:
        rest = {other: profile for other, profile in old.by_name.items() if other != old.get(name).name}
        return Profiles(old.default if old.default in rest else min(rest, default=name), rest)

    _change(without)


def check_writable() -> None:
    """Rewrite the file unchanged, so that a full or read-only disk is reported before the user is asked for anything.

    Raises:
        StoreError: The file can't be written.
    """
    _change(lambda old: old)


def update_file(path: Path, change: Callable[[bytes | None], bytes | None]) -> None:
    """Change a private file under its lock, and wait while another process holds the lock.

    Raises:
        StoreError: The file can't be written, or stays locked.
    """
    give_up_at = time.monotonic() + _PATIENCE
    try:
        while not private_file.update(str(path), change):
            if time.monotonic() > give_up_at:
                msg = f"{path} is locked by another process. Look for a suspended bitbucket-auth and end it."
                raise StoreError(msg)
            time.sleep(0.02)
    except OSError as error:
        raise private_file.store_error(str(path), "written", error) from error


def check_name(name: str) -> str:
    """Return a valid name for a profile.

    Raises:
        CommandFailedError: The name is invalid.
    """
    if not name or not name.isprintable() or name != name.strip() or name.startswith("-"):
        msg = "The name of a profile must be plain text, such as work."
        raise CommandFailedError(msg)
    return name


def _change(change: Callable[[Profiles], Profiles]) -> None:
    path = paths.profiles_file()

    def rewritten(content: bytes | None) -> bytes:
        new = change(_parse(path, content))
        profiles = {name: profile.to_plain() for name, profile in new.by_name.items()}
        document = {"format": paths.PROFILES_FORMAT, "schema": paths.SCHEMA, "default": new.default}
        return json_bytes({**document, "profiles": profiles})

    update_file(path, rewritten)


def _parse(path: Path, content: bytes | None) -> Profiles:
    if content is None:
        return Profiles("default", {})
    try:
        document = json_object(content)
        if document["format"] != paths.PROFILES_FORMAT or document["schema"] != paths.SCHEMA:
            raise ValueError  # noqa: TRY301 - reported below, like all damage to the file
        found = expect_mapping(document["profiles"])
        profiles = {name: Profile.from_plain(name, data) for name, data in found.items()}
        return Profiles(expect_str(document["default"]), profiles)
    except (RecordError, KeyError, TypeError, ValueError) as error:
        msg = f"{path} is damaged, or a newer release wrote it; it was not changed. Move it away and sign in again."
        raise RecordError(msg) from error
