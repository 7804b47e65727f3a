"""Authlib's AsyncOAuth2Client, with `token_endpoint` and `update_token`, so it refreshes automatically.

https://docs.authlib.org/en/latest/client/httpx.html
"""

# Authlib has no annotations, and its stubs leave its clients out.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from authlib.integrations.httpx_client import AsyncOAuth2Client

from benchmarks.peers.peer import save, saved
from benchmarks.peers.world import SignIn, World


class Adapter:
    """A client; its own `request` begins with `ensure_active_token`."""

    TITLE: ClassVar[str] = "Authlib"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("Authlib", "httpx2")
    STATEMENT: ClassVar[str] = "from authlib.integrations.httpx_client import AsyncOAuth2Client"
    HTTP: ClassVar[str | None] = "httpx2"
    AHEAD: ClassVar[float] = 60.0  # leeway
    LACKS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, world: World, file: Path | None) -> None:
        self.file = file
        self.client = AsyncOAuth2Client(
            world.client.client_id,
            world.client.client_secret,
            token_endpoint=world.token_endpoint,
            update_token=self.update_token,
        )

    async def update_token(self, token: Mapping[str, Any], **_: object) -> None:
        """Save the token, as the documentation says."""
        save(self.file, token)

    async def start(self, sign_in: SignIn | None) -> None:
        if sign_in is None:
            self.client.token = saved(self.file)
        else:
            # It expects whole seconds.
            self.client.token = {**asdict(sign_in), "token_type": "bearer", "expires_at": int(sign_in.expires_at)}
            save(self.file, self.client.token)

    async def get_token(self) -> str:
        await self.client.ensure_active_token(self.client.token)  # type: ignore[no-untyped-call]  # Authlib's stubs leave it out
        return str(self.client.token["access_token"])

    async def next_refresh_token(self) -> str | None:
        return str(self.client.token["refresh_token"])

    async def get(self, url: str) -> int:
        response = await self.client.get(url)
        return int(response.status_code)

    async def aclose(self) -> None:
        await self.client.aclose()
