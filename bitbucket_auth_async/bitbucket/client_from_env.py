"""client_from_env: the OAuth client whose key and secret the environment names."""

import os
from collections.abc import Mapping

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.runtime.settings import plain_setting, setting

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
        client_id, client_secret = (plain_setting(environ, name) for name in names)
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
