"""httpx and httpx2, each with our adapter for it: what a test of both is given."""

from types import ModuleType
from typing import Any

import httpx
import httpx2

from bitbucket_auth_async.bearer import httpx as on_httpx
from bitbucket_auth_async.bearer import httpx2 as on_httpx2
from bitbucket_auth_async.protocols import TokenSource

ENOUGH = 20.0


class Adapter:
    """One of the two: the library and our module for it."""

    def __init__(self, library: ModuleType, module: ModuleType) -> None:
        self.library = library
        self.module = module

    def __str__(self) -> str:
        return self.library.__name__

    def client(self, source: TokenSource, *origins: str, **client: Any) -> Any:  # noqa: ANN401  - either library's
        client = {"timeout": ENOUGH, "trust_env": False, **client}
        return self.module.authenticated_client(source, origins=origins, **client)

    def auth(self, source: TokenSource, *origins: str) -> Any:  # noqa: ANN401  - either library's
        return self.module.BearerAuth(source, origins=origins)


ADAPTERS = [Adapter(httpx, on_httpx), Adapter(httpx2, on_httpx2)]
