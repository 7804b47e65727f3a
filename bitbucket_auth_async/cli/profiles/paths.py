"""Paths and names of the files and records of the command line.

It imports little, because Git waits for it at every command.
"""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import platformdirs

from bitbucket_auth_async.bitbucket.addresses import SITE, TOKEN_PATH
from bitbucket_auth_async.errors import ConfigurationError

NAME = "bitbucket-auth"
CLOUD = SITE
DEFAULT_STORE = f"file:{NAME}"
PROFILES_FORMAT = "bitbucket-auth profiles"
SCHEMA = 1
STATIC = frozenset({"access_token", "api_token"})
"""Ways to sign in with a token that was created at Bitbucket and can't be renewed."""


def profiles_file() -> Path:
    """Return the path of the file that holds the profiles.

    Raises:
        ConfigurationError: The user has no home directory, or the folder belongs to another user.
    """
    return _folder(platformdirs.user_config_path) / "profiles.json"


def secrets_file() -> Path:
    """Return the path of the file that holds the client secrets that users typed in.

    Raises:
        ConfigurationError: As `profiles_file`.
    """
    return _folder(platformdirs.user_data_path) / "client-secrets.json"


def token_file(store: str) -> Path | None:
    """Return the file of a store by its URL; None: the store is not a file.

    Raises:
        ConfigurationError: As `profiles_file`.
    """
    if store == DEFAULT_STORE:
        return _folder(platformdirs.user_data_path) / "tokens.json"
    try:
        parts = urlsplit(store)
    except ValueError:
        return None  # open_store reports the invalid URL
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        return None
    return Path("/" + unquote(parts.path).lstrip("/"))


def token_endpoint(server: str) -> str:
    """Return the token endpoint of Bitbucket Cloud or of a fake Bitbucket."""
    return f"{server}{TOKEN_PATH}"


def record_key(profile: str, grant_type: str, client_id: str, server: str) -> str:
    """Return the key of a profile's record in its store: the profile's name.

    Client credentials add the client, because the record of one client can't become another's.
    """
    return f"{profile} {client_id} at {server}" if grant_type == "client_credentials" else profile


def _folder(of: Callable[..., Path]) -> Path:
    """Return a folder of this user; it is not created here."""
    try:
        path = of(NAME, appauthor=False)
    except RuntimeError:  # without a home; older releases of platformdirs return a path that begins with ~
        path = Path("~")
    if not path.is_absolute():
        msg = "This user has no home directory. Set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME, to writable folders."
        raise ConfigurationError(msg)
    try:
        owner = path.stat().st_uid
    except OSError:
        return path  # it does not exist yet, or opening a file in it will fail with the reason
    if hasattr(os, "geteuid") and owner != os.geteuid():
        msg = (
            f"{path} belongs to user {owner}, but this program runs as user {os.geteuid()}. Run it as the owner, or "
            "set HOME (or XDG_CONFIG_HOME and XDG_DATA_HOME) to folders of this user."
        )
        raise ConfigurationError(msg)
    return path
