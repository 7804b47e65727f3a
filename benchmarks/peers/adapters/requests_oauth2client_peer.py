"""requests_oauth2client's OAuth2AccessTokenAuth; it is synchronous, so asyncio calls it in threads.

https://guillp.github.io/requests_oauth2client/
"""

# Only the environment of `make compare` has the library.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import requests
from requests_oauth2client import BearerToken, OAuth2AccessTokenAuth, OAuth2Client

from benchmarks.peers.peer import save, saved
from benchmarks.peers.world import SignIn, World


class Adapter:
    """A valid token is read directly; an expired one is renewed in a thread and saved."""

    TITLE: ClassVar[str] = "requests_oauth2client"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("requests_oauth2client",)
    STATEMENT: ClassVar[str] = "from requests_oauth2client import OAuth2AccessTokenAuth, OAuth2Client"
    HTTP: ClassVar[str | None] = "requests"
    AHEAD: ClassVar[float] = 20.0  # leeway
    LACKS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, world: World, file: Path | None) -> None:
        self.file = file
        self.client: Any = OAuth2Client(
            world.token_endpoint,
            client_id=world.client.client_id,
            client_secret=world.client.client_secret,
            testing=True,  # a token endpoint without TLS
        )
        self.auth: Any = None
        self.session: requests.Session | None = None

    async def start(self, sign_in: SignIn | None) -> None:
        found = saved(self.file) if sign_in is None else asdict(sign_in)
        if sign_in is not None:
            save(self.file, found)
        token = BearerToken(
            found["access_token"],
            refresh_token=found["refresh_token"],
            expires_at=datetime.fromtimestamp(found["expires_at"], UTC),
        )
        self.auth = OAuth2AccessTokenAuth(self.client, token)

    async def get_token(self) -> str:
        if self.auth.token.is_expired(self.auth.leeway):
            await asyncio.to_thread(self.auth.renew_token)
            token = self.auth.token
            kept = {"access_token": str(token.access_token), "refresh_token": token.refresh_token}
            save(self.file, {**kept, "expires_at": token.expires_at.timestamp()})
        return str(self.auth.token.access_token)

    async def next_refresh_token(self) -> str | None:
        return str(self.auth.token.refresh_token)

    async def get(self, url: str) -> int:
        if self.session is None:
            self.session = requests.Session()
            self.session.auth = self.auth
        return self.session.get(url, timeout=30).status_code

    async def aclose(self) -> None:
        if self.session is not None:
            self.session.close()
        self.client.session.close()
