"""google-auth's OAuth 2.0 credentials, with non-blocking refresh; they are synchronous, so asyncio uses threads.

Its asynchronous credentials are marked as internal, and refresh without a lock too.
https://googleapis.dev/python/google-auth/latest/reference/google.oauth2.credentials.html
"""

# Only the environment of `make compare` has the library.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from google.auth.credentials import TokenState
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2.credentials import Credentials

from benchmarks.peers.peer import save, saved
from benchmarks.peers.world import SignIn, World


class Adapter:
    """Fresh credentials are read directly; others are refreshed in a thread and saved, as in the quickstarts."""

    TITLE: ClassVar[str] = "google-auth"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("google-auth", "requests")
    STATEMENT: ClassVar[str] = "from google.oauth2.credentials import Credentials"
    HTTP: ClassVar[str | None] = "requests"
    AHEAD: ClassVar[float] = 225.0  # REFRESH_THRESHOLD
    LACKS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, world: World, file: Path | None) -> None:
        self.world = world
        self.file = file
        self.credentials: Any = None
        self.kept: str | None = None
        self.request: Any = Request()
        self.session: Any = None

    async def start(self, sign_in: SignIn | None) -> None:
        if sign_in is None:
            # from_authorized_user_file ignores the token_uri in the file and renews at Google.
            found = saved(self.file)
            token, refresh_token, expiry = (
                found["token"],
                found["refresh_token"],
                datetime.fromisoformat(found["expiry"]),
            )
        else:
            token, refresh_token = sign_in.access_token, sign_in.refresh_token
            expiry = datetime.fromtimestamp(sign_in.expires_at, UTC)
        self.credentials = Credentials(
            token,
            refresh_token=refresh_token,
            token_uri=self.world.token_endpoint,
            client_id=self.world.client.client_id,
            client_secret=self.world.client.client_secret,
            expiry=expiry.replace(tzinfo=None),
        )
        if sign_in is not None:
            save(self.file, self.credentials.to_json())
        self.credentials.with_non_blocking_refresh()
        self.kept = self.credentials.token

    async def get_token(self) -> str:
        if self.credentials.token_state is not TokenState.FRESH:
            await asyncio.to_thread(self.credentials.before_request, self.request, "GET", self.world.api, {})
        if self.credentials.token is not self.kept:
            self.kept = self.credentials.token
            save(self.file, self.credentials.to_json())
        return str(self.credentials.token)

    async def next_refresh_token(self) -> str | None:
        return str(self.credentials.refresh_token)

    async def get(self, url: str) -> int:
        if self.session is None:
            self.session = AuthorizedSession(self.credentials)
        return int(self.session.get(url).status_code)

    async def aclose(self) -> None:
        if self.session is not None:
            self.session.close()
        self.request.session.close()
