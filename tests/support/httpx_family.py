"""httpx and httpx2, each with our adapter for it, for tests that run on both."""

import ssl
from types import ModuleType
from typing import Any

import httpx
import httpx2

from bitbucket_auth_async.bearer import httpx as on_httpx
from bitbucket_auth_async.bearer import httpx2 as on_httpx2
from bitbucket_auth_async.protocols import TokenSource

ENOUGH = 20.0
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For servers without TLS; a client that is given no context spends 25 ms to load all authorities."""
OPTIONS: dict[str, Any] = {"timeout": ENOUGH, "trust_env": False, "verify": NO_CERTIFICATES}


class Adapter:
    """One of the two: the library and our module for it."""

    def __init__(self, library: ModuleType, module: ModuleType) -> None:
        self.library = library
        self.module = module

    def __str__(self) -> str:
        return self.library.__name__

    def client(self, source: TokenSource, *origins: str, **client: Any) -> Any:  # noqa: ANN401  - either library's
        return self.module.authenticated_client(source, origins=origins, **{**OPTIONS, **client})

    def auth(self, source: TokenSource, *origins: str) -> Any:  # noqa: ANN401  - either library's
        return self.module.BearerAuth(source, origins=origins)


ADAPTERS = [Adapter(httpx, on_httpx), Adapter(httpx2, on_httpx2)]
