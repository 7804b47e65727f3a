"""client_from_env: the OAuth client whose key and secret are in environment variables."""

import os
from collections.abc import Mapping

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.runtime.settings import plain_setting, setting

_NAMES = ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET")
_NPM_NAMES = ("bitbucketKey", "bitbucketSecret")


def client_from_env(environ: Mapping[str, str] = os.environ) -> Client:
    """Return the client that the environment configures.

    It reads `BITBUCKET_CLIENT_ID` and `BITBUCKET_CLIENT_SECRET`, or `…_FILE` with the path of a file that holds the
    value. If neither is set, it reads `bitbucketKey` and `bitbucketSecret`, the names of the npm package.

    Raises:
        ConfigurationError: A value is missing, empty, set twice or unreadable; the message names the variable.
    """
    names = _NAMES
    client_id, client_secret = (setting(environ, name) for name in names)
    if client_id is None and client_secret is None:
        names = _NPM_NAMES
        client_id, client_secret = (plain_setting(environ, name) for name in names)
    if client_id is None and client_secret is None:
        msg = (
            "The environment has no OAuth client. Set BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET (Key and "
            "Secret of your OAuth consumer), or BITBUCKET_CLIENT_ID_FILE and BITBUCKET_CLIENT_SECRET_FILE to files "
            "that hold them. bitbucketKey and bitbucketSecret work too."
        )
        raise ConfigurationError(msg)
    if client_id is None or client_secret is None:
        missing, present = names if client_id is None else reversed(names)
        msg = f"{present} is set, but {missing} is not. Set both."
        raise ConfigurationError(msg)
    return Client(client_id, client_secret)
