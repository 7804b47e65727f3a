"""What the environment says: the client."""

import os
from collections.abc import Mapping
from pathlib import Path

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.clients import Client

_NAMES = ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET")
_OLD_NAMES = ("bitbucketKey", "bitbucketSecret")


def client_from_env(environ: Mapping[str, str] = os.environ) -> Client:
    """Return the client that the environment names.

    Read are `BITBUCKET_CLIENT_ID` and `BITBUCKET_CLIENT_SECRET`, each also as `…_FILE`, the path of a file that holds
    it; if neither of the two is set, `bitbucketKey` and `bitbucketSecret`, the names of the npm package.

    Raises:
        ConfigurationError: A value is missing, empty, there twice or can't be read; the text names the variable.
    """
    names = _NAMES
    client_id, client_secret = (setting(environ, name) for name in names)
    if client_id is None and client_secret is None:
        names = _OLD_NAMES
        client_id, client_secret = (_plain(environ, name) for name in names)
    if client_id is None and client_secret is None:
        msg = (
            "The environment names no client. Set BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET (Key and Secret of "
            "your OAuth consumer), or BITBUCKET_CLIENT_ID_FILE and BITBUCKET_CLIENT_SECRET_FILE to files that hold "
            "them; bitbucketKey and bitbucketSecret work too."
        )
        raise ConfigurationError(msg)
    if client_id is None or client_secret is None:
        missing, there = names if client_id is None else reversed(names)
        msg = f"{missing} is not set, but {there} is: both are needed."
        raise ConfigurationError(msg)
    return Client(client_id, client_secret)


def setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return what the variable says, or the file that its `…_FILE` names; None if neither is set.

    Raises:
        ConfigurationError: It is empty, there twice or can't be read; the text names the variable.
    """
    direct, path = _plain(environ, name), _plain(environ, f"{name}_FILE")
    if path is None:
        return direct
    if direct is not None:
        msg = f"{name} and {name}_FILE are both set: leave one out."
        raise ConfigurationError(msg)
    return _content(name, path)


def _plain(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name)
    if value is not None and not value.strip():
        msg = f"{name} is set, but empty or blank: give it its value, or unset it."
        raise ConfigurationError(msg)
    return value


def _content(name: str, path: str) -> str:
    # Whoever puts the secret itself where its path belongs must not find it in a log.
    shown = path if "/" in path or "\\" in path else "the file that it names"
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{name}_FILE: {shown} can't be read ({error.strerror})."
        raise ConfigurationError(msg) from None
    except ValueError:
        # The cause may quote the content.
        msg = f"{name}_FILE: {shown} is not a text in UTF-8."
        raise ConfigurationError(msg) from None
    # An editor, and `echo`, end a file with one; read_text has made \r\n one already.
    text = text.removesuffix("\n")
    if not text.strip():
        msg = f"{name}_FILE: {shown} is empty."
        raise ConfigurationError(msg)
    return text
