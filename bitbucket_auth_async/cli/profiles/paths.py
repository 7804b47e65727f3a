"""Where the command line keeps what it keeps; imports little, since Git waits for it on every command."""

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
"""Ways to sign in whose token a person made at Bitbucket, and nobody renews."""


def profiles_file() -> Path:
    """Return the path of the file that holds the profiles.

    Raises:
        ConfigurationError: Nobody knows where this user's files are, or the folder is another user's.
    """
    return _folder(platformdirs.user_config_path) / "profiles.json"


def secrets_file() -> Path:
    """Return the path of the file that holds the client secrets which were typed in.

    Raises:
        ConfigurationError: As `profiles_file`.
    """
    return _folder(platformdirs.user_data_path) / "client-secrets.json"


def token_file(store: str) -> Path | None:
    """Return the file that a store's address names; None: it is no file.

    Raises:
        ConfigurationError: As `profiles_file`.
    """
    if store == DEFAULT_STORE:
        return _folder(platformdirs.user_data_path) / "tokens.json"
    try:
        parts = urlsplit(store)
    except ValueError:
        return None  # open_store says that it is no address
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        return None
    return Path("/" + unquote(parts.path).lstrip("/"))


def token_endpoint(server: str) -> str:
    """Return the token endpoint of Bitbucket Cloud, or of what stands in for it on this machine."""
    return f"{server}{TOKEN_PATH}"


def record_key(profile: str, grant_type: str, client_id: str, server: str) -> str:
    """Name a profile's record in its store: a person's sign-in by the profile alone.

    A client that speaks for itself is part of the name, since its record can't become another's.
    """
    return f"{profile} {client_id} at {server}" if grant_type == "client_credentials" else profile


def _folder(of: Callable[..., Path]) -> Path:
    """Return a folder of this user's; nothing is made yet."""
    try:
        path = of(NAME, appauthor=False)
    except RuntimeError:  # newer releases of platformdirs say so; older ones give a path that begins with ~
        path = Path("~")
    if not path.is_absolute():
        msg = "This user has no home directory. Set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME, to folders of its own."
        raise ConfigurationError(msg)
    try:
        owner = path.stat().st_uid
    except OSError:
        return path  # it is not there yet, or whoever opens a file in it will hear why he may not
    if hasattr(os, "geteuid") and owner != os.geteuid():
        msg = (
            f"{path} belongs to user {owner}, and this program runs as user {os.geteuid()}. Run it as the owner, or "
            "set HOME (or XDG_CONFIG_HOME and XDG_DATA_HOME) to folders of its own."
        )
        raise ConfigurationError(msg)
    return path
