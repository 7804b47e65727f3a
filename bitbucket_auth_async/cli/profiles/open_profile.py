"""A profile in use by one command: its store, client and token manager, or its static token."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from bitbucket_auth_async.bearer.static_credentials import StaticToken
from bitbucket_auth_async.cli import fast_path
from bitbucket_auth_async.cli.profiles import paths, static_tokens
from bitbucket_auth_async.cli.profiles.client_secrets import client_of
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.profiles.server import explain_missing_server, server_of
from bitbucket_auth_async.cli.terminal.output import print_message
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.stores.open_store import OpenStore, open_store, store_from_env
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport


@dataclass(frozen=True, slots=True)
class OpenProfile:
    """A profile with its open store and token manager."""

    profile: Profile
    store: OpenStore
    manager: TokenManager

    async def token(self) -> Token:
        """Return a valid token; a renewal that is due is finished first, because the program ends soon (R4)."""
        await self.manager.get_token()  # loads the stored token
        await self.manager.get_token()  # starts the renewal, if it is due
        await self.manager.idle()
        return await self.manager.get_token()


class ValidToken(NamedTuple):
    """A valid token, and the source to ask for another one after a 401."""

    token: Token
    source: TokenSource


@asynccontextmanager
async def valid_token(profile: Profile) -> AsyncGenerator[ValidToken]:
    """Yield a profile's valid token; a renewal that is due is finished first.

    Raises:
        BitbucketAuthError: No valid token is available.
    """
    found = await _token_or_client(profile)
    if isinstance(found, StaticToken):
        with explain_missing_server(profile):
            yield ValidToken(found.token, found)
        return
    async with open_profile(profile, client=found) as opened:
        yield ValidToken(await opened.token(), opened.manager)


async def _token_or_client(profile: Profile) -> StaticToken | Client:
    """Return the token if no client is needed, otherwise the client.

    A static token needs no client. Neither does a fresh token, if the client's secret is not available.
    """
    if profile.is_static:
        async with store_of(profile) as store:
            return await static_tokens.load_valid(profile, store)
    try:
        return client_of(profile)
    except ConfigurationError:
        async with store_of(profile) as store:
            found = await store.load(profile.key)
        token = None if found is None else found.record.token
        if (
            found is None
            or token is None
            or fast_path.fresh_token_in(found.record.to_plain(), profile.to_plain()) is None
        ):
            raise
        return StaticToken(token)


@asynccontextmanager
async def open_profile(profile: Profile, *, client: Client | None = None) -> AsyncGenerator[OpenProfile]:
    """Yield a profile with its store and manager open.

    Args:
        profile: The profile.
        client: Its client, if known; by default it is looked up together with its secret.
    """
    grant = ClientCredentials() if profile.grant_type == "client_credentials" else None
    client = client_of(profile) if client is None else client
    async with (
        store_of(profile) as store,
        aclosing(AiohttpTransport(trust_env=True)) as transport,
        TokenManager(
            client,
            grant=grant,
            store=store,
            key=profile.key,
            server=server_of(profile),
            transport=transport,
            on_event=_print_store_failures(grant),
        ) as manager,
    ):
        with explain_missing_server(profile):
            yield OpenProfile(profile, store, manager)


def store_of(profile: Profile) -> OpenStore:
    """Return a profile's store; it connects on first use."""
    if profile.store == "environment":
        return store_from_env()
    paths.token_file(profile.store)  # reports a problem with the user's folder, if the store is a file there
    return open_store(profile.store)


def _print_store_failures(grant: ClientCredentials | None) -> Callable[[Event], None]:
    """Return a listener that prints each store failure once, if no error will report it."""
    kinds = {EventKind.SAVE_FAILED} if grant is None else {EventKind.SAVE_FAILED, EventKind.STORE_FAILED}
    printed: set[str] = set()

    def listener(event: Event) -> None:
        if event.kind in kinds and event.detail not in printed:
            printed.add(event.detail)
            print_message(event.detail)

    return listener
