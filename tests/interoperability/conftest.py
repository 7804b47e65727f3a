"""A new Authlib server on a port for each test."""

import logging
from collections.abc import Iterator

import pytest

from bitbucket_auth_async import AuthorizationServer
from tests.interoperability.authlib_server import Database, serving


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # it is on a loopback address
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    database = Database()
    with serving(database):
        yield database


@pytest.fixture
def server(database: Database) -> AuthorizationServer:
    return AuthorizationServer(
        authorization_endpoint=f"{database.base_url}/authorize",
        token_endpoint=f"{database.base_url}/token",
        api_origins=frozenset({database.base_url}),
    )
