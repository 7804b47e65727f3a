"""aiobotocore's AioRefreshableCredentials: the way in which AWS credentials are renewed, used here for Bitbucket.

It does not know OAuth: `refresh_using` is a function of the program that sends the token request and saves.
https://aiobotocore.readthedocs.io/
"""

# Only the environment of `make compare` has the library.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
from aiobotocore.credentials import AioRefreshableCredentials

from benchmarks.peers.peer import save, saved
from benchmarks.peers.world import SignIn, World


class Adapter:
    """The bearer token is stored as the session token."""

    TITLE: ClassVar[str] = "aiobotocore"
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("aiobotocore",)
    STATEMENT: ClassVar[str] = "from aiobotocore.credentials import AioRefreshableCredentials"
    HTTP: ClassVar[str | None] = None
    AHEAD: ClassVar[float] = 900.0  # the advisory refresh; from 600 s on all callers wait
    LACKS: ClassVar[Mapping[str, str]] = {"request": "it signs requests to AWS and sends no bearer"}

    def __init__(self, world: World, file: Path | None) -> None:
        self.world = world
        self.file = file
        self.session: aiohttp.ClientSession | None = None
        self.refresh_token = ""
        self.credentials: Any = None

    async def start(self, sign_in: SignIn | None) -> None:
        found = saved(self.file) if sign_in is None else asdict(sign_in)
        if sign_in is not None:
            save(self.file, found)
        self.refresh_token = found["refresh_token"]
        self.credentials = AioRefreshableCredentials.create_from_metadata(
            metadata(found["access_token"], datetime.fromtimestamp(found["expires_at"], UTC)),
            refresh_using=self.refresh,
            method="bitbucket",
        )

    async def refresh(self) -> dict[str, str]:
        if self.session is None:
            self.session = aiohttp.ClientSession(raise_for_status=True)
        form = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        client = aiohttp.BasicAuth(self.world.client.client_id, self.world.client.client_secret or "")
        async with self.session.post(self.world.token_endpoint, data=form, auth=client) as response:
            answer = await response.json()
        expiry = datetime.now(UTC) + timedelta(seconds=answer["expires_in"])
        self.refresh_token = answer["refresh_token"]
        save(self.file, {**answer, "expires_at": expiry.timestamp()})
        return metadata(answer["access_token"], expiry)

    async def get_token(self) -> str:
        return str((await self.credentials.get_frozen_credentials()).token)

    async def next_refresh_token(self) -> str | None:
        return self.refresh_token

    async def get(self, url: str) -> int:
        msg = f"aiobotocore sends no requests to Bitbucket: {url}"
        raise AssertionError(msg)  # LACKS excludes this scenario

    async def aclose(self) -> None:
        if self.session is not None:
            await self.session.close()


def metadata(access_token: str, expiry: datetime) -> dict[str, str]:
    """Return the result that `refresh_using` expects."""
    return {"access_key": "-", "secret_key": "-", "token": access_token, "expiry_time": expiry.isoformat()}
