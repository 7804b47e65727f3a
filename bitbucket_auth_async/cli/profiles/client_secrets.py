"""The client's secret: from the environment, a private file or the keyring, never from an argument."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from bitbucket_auth_async.bitbucket.client_from_env import client_from_env
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.profiles.profile import Profile, SecretPlace
from bitbucket_auth_async.cli.profiles.profiles import load, update_file
from bitbucket_auth_async.codecs.json import json_bytes, json_object
from bitbucket_auth_async.errors import ConfigurationError, StoreError
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.runtime.settings import setting

_VARIABLES = ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET", "bitbucketKey", "bitbucketSecret")


def client_from_environment(environ: Mapping[str, str] = os.environ) -> Client | None:
    """Return the client that the environment sets; None: it sets none.

    Raises:
        ConfigurationError: Only half of it is set, or a file can't be read.
    """
    if not any(name in environ or f"{name}_FILE" in environ for name in _VARIABLES):
        return None
    return client_from_env(environ)


def client_of(profile: Profile, environ: Mapping[str, str] = os.environ) -> Client:
    """Return a profile's client with its secret; the environment comes first, if it sets this client.

    Raises:
        ConfigurationError: The secret is missing; the message says where it should be.
        StoreError: The file or the keyring can't be read.
    """
    secret = _from_environment(profile, environ)
    if secret is None and profile.secret == "file":  # noqa: S105 - the name of a place
        secret = _load_file().get(_entry(profile))
    elif secret is None and profile.secret == "keyring":  # noqa: S105 - the name of a place
        secret = _call_keyring("get_password", profile)
    if secret is None:
        where = {
            "environment": "set BITBUCKET_CLIENT_SECRET, or BITBUCKET_CLIENT_SECRET_FILE to a file that contains it",
            "file": f"{paths.secrets_file()} no longer contains it: run bitbucket-auth login again",
            "keyring": "the keyring no longer contains it: run bitbucket-auth login again",
        }[profile.secret]
        msg = f"The secret of client {profile.client_id} is missing; {where}."
        raise ConfigurationError(msg)
    return Client(profile.client_id, secret)


def save(profile: Profile, secret: str) -> None:
    """Save a secret that the user typed in, in the place that the profile names.

    Raises:
        StoreError: The file or the keyring can't be written.
    """
    if profile.secret == "keyring":  # noqa: S105 - the name of a place
        _call_keyring("set_password", profile, secret)
    elif profile.secret == "file":  # noqa: S105 - the name of a place
        _update_secrets(profile, secret)


def forget(profile: Profile) -> None:
    """Remove a profile's secret from its place, unless another profile uses the same client's secret there.

    Raises:
        StoreError: The file or the keyring can't be written.
    """
    others = (other for other in load().by_name.values() if other.name != profile.name)
    if any((other.secret, _entry(other)) == (profile.secret, _entry(profile)) for other in others):
        return
    if profile.secret == "file":  # noqa: S105 - the name of a place
        _update_secrets(profile, None)
    elif profile.secret == "keyring" and _call_keyring("get_password", profile) is not None:  # noqa: S105 - the name of a place
        _call_keyring("delete_password", profile)


def secret_place_for(store: str) -> SecretPlace:
    """Return where a secret that the user types in is kept: in the keyring, if the token is there, else in the file."""
    return "keyring" if store.startswith("keyring:") else "file"


def _from_environment(profile: Profile, environ: Mapping[str, str]) -> str | None:
    client_id = setting(environ, "BITBUCKET_CLIENT_ID") or environ.get("bitbucketKey")
    if profile.secret == "environment" and client_id is None:  # noqa: S105 - the name of a place
        return setting(environ, "BITBUCKET_CLIENT_SECRET") or environ.get("bitbucketSecret")
    if client_id != profile.client_id:
        return None  # the environment sets another client
    return client_from_env(environ).client_secret


def _entry(profile: Profile) -> str:
    return f"{profile.client_id} at {profile.server}"


def _load_file() -> dict[str, str]:
    path = str(paths.secrets_file())
    try:
        content = private_file.read(path)
    except OSError as error:
        raise private_file.store_error(path, "read", error) from error
    return {} if content is None else json_object(content)


def _update_secrets(profile: Profile, secret: str | None) -> None:
    def change(content: bytes | None) -> bytes:
        secrets = {} if content is None else json_object(content)
        secrets.pop(_entry(profile), None)
        return json_bytes(secrets if secret is None else {**secrets, _entry(profile): secret})

    update_file(paths.secrets_file(), change)


def _call_keyring(function: str, profile: Profile, *values: str) -> str | None:
    """Call a function of the keyring for the entry of this client."""
    try:
        keyring: Any = import_module("keyring")
    except ModuleNotFoundError as error:
        msg = "The keyring library is missing: pip install 'bitbucket-auth-async[keyring]'."
        raise ConfigurationError(msg) from error
    try:
        answer: object = getattr(keyring, function)("bitbucket-auth client secrets", _entry(profile), *values)
    except Exception as error:  # noqa: BLE001 - a backend may raise any error
        msg = f"The keyring is locked or missing ({type(error).__name__}). Unlock it, or use a file store."
        raise StoreError(msg) from None
    return answer if isinstance(answer, str) else None
