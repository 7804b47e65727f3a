"""The client's secret: from the environment, from the private file, or from the keyring, and never from an argument."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from bitbucket_auth_async.bitbucket.client_from_env import client_from_env
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.profiles import Profile, SecretPlace, load, update_file
from bitbucket_auth_async.codecs.json import json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, StoreError
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.runtime.settings import setting

_VARIABLES = ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET", "bitbucketKey", "bitbucketSecret")


def named_by_environment(environ: Mapping[str, str] = os.environ) -> Client | None:
    """Return the client that the environment names; None: it names none.

    Raises:
        ConfigurationError: It names half of one, or something that can't be read.
    """
    if not any(name in environ or f"{name}_FILE" in environ for name in _VARIABLES):
        return None
    return client_from_env(environ)


def client_of(profile: Profile, environ: Mapping[str, str] = os.environ) -> Client:
    """Return a profile's client with its secret; the environment comes first, if it speaks of this very client.

    Raises:
        ConfigurationError: The secret is not to be found; the text says where it was looked for.
        StoreError: The file or the keyring can't be read.
    """
    secret = _from_environment(profile, environ)
    if secret is None and profile.secret == "file":  # noqa: S105 - the name of a place
        secret = _kept().get(_entry(profile))
    elif secret is None and profile.secret == "keyring":  # noqa: S105 - the name of a place
        secret = _ask_keyring("get_password", profile)
    if secret is None:
        where = {
            "environment": "set BITBUCKET_CLIENT_SECRET, or BITBUCKET_CLIENT_SECRET_FILE to a file that holds it",
            "file": f"{paths.secrets_file()} no longer has it: run bitbucket-auth login again",
            "keyring": "the keyring no longer has it: run bitbucket-auth login again",
        }[profile.secret]
        msg = f"The secret of client {profile.client_id} is missing; {where}."
        raise ConfigurationError(msg)
    return Client(profile.client_id, secret)


def keep(profile: Profile, secret: str) -> None:
    """Keep a secret that was typed in, where the profile says.

    Raises:
        StoreError: It could not be written.
    """
    if profile.secret == "keyring":  # noqa: S105 - the name of a place
        _ask_keyring("set_password", profile, secret)
    elif profile.secret == "file":  # noqa: S105 - the name of a place
        _change_kept(profile, secret)


def forget(profile: Profile) -> None:
    """Forget a secret that was kept for a profile, unless another profile has the same client's there.

    Raises:
        StoreError: It could not be written.
    """
    others = (other for other in load().by_name.values() if other.name != profile.name)
    if any((other.secret, _entry(other)) == (profile.secret, _entry(profile)) for other in others):
        return
    if profile.secret == "file":  # noqa: S105 - the name of a place
        _change_kept(profile, None)
    elif profile.secret == "keyring" and _ask_keyring("get_password", profile) is not None:  # noqa: S105 - the name of a place
        _ask_keyring("delete_password", profile)


def place_for(store: str) -> SecretPlace:
    """Say where a secret that is typed in belongs: beside the token, if that is in the keyring."""
    return "keyring" if store.startswith("keyring:") else "file"


def _from_environment(profile: Profile, environ: Mapping[str, str]) -> str | None:
    client_id = setting(environ, "BITBUCKET_CLIENT_ID") or environ.get("bitbucketKey")
    if profile.secret == "environment" and client_id is None:  # noqa: S105 - the name of a place
        return setting(environ, "BITBUCKET_CLIENT_SECRET") or environ.get("bitbucketSecret")
    if client_id != profile.client_id:
        return None  # it speaks of another client
    return client_from_env(environ).client_secret


def _entry(profile: Profile) -> str:
    return f"{profile.client_id} at {profile.server}"


def _kept() -> dict[str, str]:
    path = str(paths.secrets_file())
    try:
        content = private_file.read(path)
    except OSError as error:
        raise private_file.store_error(path, "read", error) from error
    return {} if content is None else json_object(content)


def _change_kept(profile: Profile, secret: str | None) -> None:
    def change(content: bytes | None) -> bytes:
        kept = {} if content is None else json_object(content)
        kept.pop(_entry(profile), None)
        return json_bytes(kept if secret is None else {**kept, _entry(profile): secret})

    update_file(paths.secrets_file(), change)


def _ask_keyring(verb: str, profile: Profile, *more: str) -> str | None:
    """Do one thing with the keyring's entry of this client."""
    try:
        keyring: Any = import_module("keyring")
    except ModuleNotFoundError as error:
        msg = "The keyring needs a library: pip install 'bitbucket-auth-async[keyring]'."
        raise ConfigurationError(msg) from error
    try:
        answer: object = getattr(keyring, verb)("bitbucket-auth client secrets", _entry(profile), *more)
    except Exception as error:  # noqa: BLE001 - whatever a backend raises
        msg = f"The keyring is locked or absent ({type(error).__name__}). Unlock it, or use a store that is a file."
        raise StoreError(msg) from None
    return answer if isinstance(answer, str) else None
