"""Settings of a Bitbucket client for tests: environment variables, Authorization header and npm-style options."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest.mock import patch

from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.testing.fake.registry import CLIENT_ID, CLIENT_SECRET

_NAMES = ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET")
_OLD_NAMES = ("bitbucketKey", "bitbucketSecret")


@contextmanager
def set_env_vars(
    client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET, *, old_names: bool = False
) -> Generator[Mapping[str, str]]:
    """Set the environment variables of a client, and unset its other spellings, until the block ends.

    Args:
        client_id: Bitbucket calls it the key.
        client_secret: Bitbucket calls it the secret.
        old_names: Use the npm package's names, `bitbucketKey` and `bitbucketSecret`.
    """
    variables: dict[str, str] = dict(zip(_OLD_NAMES if old_names else _NAMES, (client_id, client_secret), strict=True))
    with patch.dict(os.environ, variables):
        for name in (*_NAMES, *_OLD_NAMES, *(f"{name}_FILE" for name in _NAMES)):
            if name not in variables:
                os.environ.pop(name, None)  # patch.dict restores it
        yield MappingProxyType(variables)


def basic_auth(client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET) -> str:
    """Return the Authorization header that authenticates a client (RFC 6749 section 2.3.1)."""
    headers, _ = Client(client_id, client_secret).proof("", now=0.0)
    return headers["Authorization"]


class OptionSets(NamedTuple):
    """Options for `get_access_token`: a valid set, and sets with one option missing or of a wrong type."""

    valid: Mapping[str, Any]
    """Match the client that every FakeBitbucket has registered."""
    missing: Mapping[str, Mapping[str, Any]]
    """Keys are the name of the missing option."""
    invalid: Mapping[str, Mapping[str, Any]]
    """Keys are the name of the option with a wrong type."""


_VALID: Mapping[str, Any] = MappingProxyType(
    {"app_name": "fake-app", "consumer_key": CLIENT_ID, "consumer_secret": CLIENT_SECRET}
)
_WRONG: Mapping[str, Any] = MappingProxyType(
    {
        "app_name": 42,
        "consumer_key": 42,
        "consumer_secret": b"bytes",
        "refresh_token": 42,
        "config_path": 42,
        "domain": 42,
    }
)

opts = OptionSets(
    valid=_VALID,
    missing=MappingProxyType(
        {name: MappingProxyType({other: _VALID[other] for other in _VALID if other != name}) for name in _VALID}
    ),
    invalid=MappingProxyType({name: MappingProxyType({**_VALID, name: wrong}) for name, wrong in _WRONG.items()}),
)
"""Use `opts.valid`, `opts.missing["consumer_key"]` or `opts.invalid["consumer_key"]`."""
