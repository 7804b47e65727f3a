"""Profiles: who signs in where, by name, in one private file of the user's configuration folder."""

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.terminal.outcome import FailedError
from bitbucket_auth_async.codecs.json import json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError, RecordError, StoreError
from bitbucket_auth_async.oauth2.json_types import expect_count, expect_mapping, expect_str
from bitbucket_auth_async.runtime import private_file

_PATIENCE = 10.0
_LAST_PORT = 65535
GrantType = Literal["authorization_code", "client_credentials", "access_token", "api_token"]
SecretPlace = Literal["environment", "file", "keyring", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One sign-in: by which client, where, and where its token is kept. It holds no secret."""

    name: str
    client_id: str
    """The client; with an API token the e-mail address that goes with it, with an access token nothing."""
    secret: SecretPlace
    """Where the client's secret is."""
    grant_type: GrantType
    """By which grant its token is had; or which kind of token it is that a person made at Bitbucket."""
    store: str
    """The store's address; `environment`: what BITBUCKET_AUTH_STORE says."""
    server: str = paths.CLOUD
    port: int = 8372
    """Where the redirect is caught; 0: any port."""

    @property
    def is_static(self) -> bool:
        """Whether its token is one that a person made, and nobody renews."""
        return self.grant_type in paths.STATIC

    @property
    def kind(self) -> str:
        """What its token is, for people."""
        return {"access_token": "access token", "api_token": "API token"}.get(self.grant_type, "OAuth access token")

    @property
    def credential(self) -> str:
        """What its token is and whose, as far as the profile itself tells."""
        return f"{self.kind} of {self.client_id}" if self.grant_type == "api_token" else self.kind

    @property
    def login_command(self) -> str:
        """What signs in to it again, for a shell."""
        kind = {
            "authorization_code": "",
            "client_credentials": " --client-credentials",
            "access_token": " --access-token",
            "api_token": " --api-token",
        }
        return f"bitbucket-auth login{kind[self.grant_type]} --profile {shlex.quote(self.name)}"

    @property
    def key(self) -> str:
        """Its record's name in the store."""
        return paths.record_key(self.name, self.grant_type, self.client_id, self.server)

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "name"}

    @classmethod
    def from_plain(cls, name: str, data: object) -> Self:
        """Read back what `to_plain` gave."""
        found = expect_mapping(data)
        return cls(
            name=name,
            client_id=expect_str(found["client_id"]),
            secret=cast("SecretPlace", _one_of(found["secret"], *get_args(SecretPlace))),
            grant_type=cast("GrantType", _one_of(found["grant_type"], *get_args(GrantType))),
            store=expect_str(found["store"]),
            server=expect_str(found["server"]),
            port=_port(found["port"]),
        )


@dataclass(frozen=True, slots=True)
class Profiles:
    """All of them, and the name of the one that is meant where none is named."""

    default: str
    by_name: Mapping[str, Profile]

    def get(self, name: str | None) -> Profile:
        """Return one by its name, or the default one.

        Raises:
            LoginRequiredError: There is no profile yet.
            ConfigurationError: There are some, and none has this name.
        """
        wanted = self.default if name is None else name
        if wanted in self.by_name:
            return self.by_name[wanted]
        if not self.by_name:
            msg = "Nobody has signed in on this machine yet."
            raise LoginRequiredError(msg)
        known = ", ".join(sorted(self.by_name))
        msg = f"There is no profile {wanted!r}; known: {known}. To make it: bitbucket-auth login --profile {wanted}"
        raise ConfigurationError(msg)


def load() -> Profiles:
    """Return what the file holds; none where there is no file.

    Raises:
        StoreError: It could not be read, or is damaged.
    """
    path = paths.profiles_file()
    try:
        content = private_file.read(str(path))
    except OSError as error:
        raise private_file.store_error(str(path), "read", error) from error
    return _parse(path, content)


def save(profile: Profile) -> None:
    """Keep a profile; the first one is the default.

    Raises:
        StoreError: It could not be written; the old content is whole.
    """
    _change(lambda old: Profiles(old.default if old.by_name else profile.name, {**old.by_name, profile.name: profile}))


def use(name: str) -> None:
    """Make a profile the default.

    Raises:
        ConfigurationError: There is none of this name.
        StoreError: It could not be written.
    """
    _change(lambda old: Profiles(old.get(name).name, old.by_name))


def forget(name: str) -> None:
    """Take a profile out; another one becomes the default if it was that.

    Raises:
        ConfigurationError: There is none of this name.
        StoreError: It could not be written.
    """

    def without(old: Profiles) -> Profiles:
        rest = {other: profile for other, profile in old.by_name.items() if other != old.get(name).name}
        return Profiles(old.default if old.default in rest else min(rest, default=name), rest)

    _change(without)


def check_writable() -> None:
    """Write the file as it is, so that a disk that is full or read-only is known before anybody is bothered.

    Raises:
        StoreError: It could not be written.
    """
    _change(lambda old: old)


def update_file(path: Path, change: Callable[[bytes | None], bytes | None]) -> None:
    """Change a private file under its lock, waiting for whoever has it.

    Raises:
        StoreError: It could not be written, or the lock was not to be had.
    """
    give_up_at = time.monotonic() + _PATIENCE
    try:
        while not private_file.update(str(path), change):
            if time.monotonic() > give_up_at:
                msg = f"{path} is locked by another process. Look for a bitbucket-auth that was stopped."
                raise StoreError(msg)
            time.sleep(0.02)
    except OSError as error:
        raise private_file.store_error(str(path), "written", error) from error


def check_name(name: str) -> str:
    """Return a name for a profile.

    Raises:
        FailedError: Nothing can have that name.
    """
    if not name or not name.isprintable() or name != name.strip() or name.startswith("-"):
        msg = "A profile takes a plain name, such as work."
        raise FailedError(msg)
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
            raise ValueError  # noqa: TRY301 - told below, as all that is wrong with the file
        found = expect_mapping(document["profiles"])
        profiles = {name: Profile.from_plain(name, data) for name, data in found.items()}
        return Profiles(expect_str(document["default"]), profiles)
    except (RecordError, KeyError, TypeError, ValueError) as error:
        msg = f"{path} is damaged, or of a newer release; it is left as it is. Move it away and sign in again."
        raise RecordError(msg) from error


def _port(value: object) -> int:
    port = expect_count(value)
    if port > _LAST_PORT:
        raise ValueError
    return port


def _one_of(value: object, *known: str) -> str:
    if value not in known:
        raise ValueError
    return expect_str(value)
