"""A profile at work: its store, its client and its manager, or its token that nobody renews, for one command."""

import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from bitbucket_auth_async.bearer.static_credentials import StaticToken
from bitbucket_auth_async.bitbucket.addresses import AUTHORIZATION_PATH
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.bitbucket.limits import REUSE_GRACE
from bitbucket_auth_async.cli import quick
from bitbucket_auth_async.cli.profiles import paths, static_tokens
from bitbucket_auth_async.cli.profiles.client_secrets import client_of
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.terminal.outcome import FailedError, say
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, is_loopback, origin_of
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.stores.open_store import OpenStore, open_store, store_from_env
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport


@dataclass(frozen=True, slots=True)
class Identity:
    """What a command works with."""

    profile: Profile
    store: OpenStore
    manager: TokenManager

    async def token(self) -> Token:
        """Return a token that is good now; a renewal that is due is waited for, since we end right after (R4)."""
        await self.manager.get_token()  # takes over what is stored
        await self.manager.get_token()  # begins the renewal, if it is due
        await self.manager.idle()
        return await self.manager.get_token()


class Ready(NamedTuple):
    """A token that is good now, and what gives another one after a 401, if anything does."""

    token: Token
    source: TokenSource


@asynccontextmanager
async def ready(profile: Profile) -> AsyncGenerator[Ready]:
    """Open whatever gives a profile's token until the block ends; a renewal that is due is done first.

    Raises:
        BitbucketAuthError: There is no token to be had.
    """
    given = await _token_or_client(profile)
    if isinstance(given, StaticToken):
        with told_of_stand_in(profile):
            yield Ready(given.token, given)
        return
    async with opened(profile, client=given) as identity:
        yield Ready(await identity.token(), identity.manager)


async def _token_or_client(profile: Profile) -> StaticToken | Client:
    """Return a token that is handed out without a client; or else the client.

    Without one goes a token that nobody renews, and a fresh one where the client's secret is not to be had.
    """
    if profile.is_static:
        async with store_of(profile) as store:
            return await static_tokens.usable(profile, store)
    try:
        return client_of(profile)
    except ConfigurationError:
        async with store_of(profile) as store:
            found = await store.load(profile.key)
        token = None if found is None else found.record.token
        if found is None or token is None or quick.fresh_in(found.record.to_plain(), profile.to_plain()) is None:
            raise
        return StaticToken(token)


@contextmanager
def told_of_stand_in(profile: Profile) -> Generator[None]:
    """Ask, where nothing answers at a stand-in for Bitbucket on this machine, whether it runs."""
    try:
        yield
    except BitbucketAuthError as error:
        if not error.retryable or answers(profile.server):
            raise
        told = FailedError(f"Nothing answers at {profile.server}: is fake-server running? ({error})")
        told.retryable = True
        raise told from error


def answers(server: str) -> bool:
    """Tell whether anything listens where a stand-in for Bitbucket should be; of Bitbucket itself it is assumed."""
    if server == paths.CLOUD:
        return True
    parts = urlsplit(server)
    address = (parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme])
    try:
        socket.create_connection(address, timeout=1.0).close()
    except OSError:
        return False
    return True


@asynccontextmanager
async def opened(profile: Profile, *, client: Client | None = None) -> AsyncGenerator[Identity]:
    """Open a profile's store and manager until the block ends.

    Args:
        profile: Whose.
        client: The client, where it is known already; by default the profile's, with its secret.
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
            on_event=_warner(grant),
        ) as manager,
    ):
        with told_of_stand_in(profile):
            yield Identity(profile, store, manager)


def store_of(profile: Profile) -> OpenStore:
    """Return the store that a profile names; nothing is opened before it is used."""
    if profile.store == "environment":
        return store_from_env()
    paths.token_file(profile.store)  # it says what is wrong with the user's folder, where that is the place
    return open_store(profile.store)


def server_of(profile: Profile) -> AuthorizationServer:
    """Return Bitbucket Cloud, or what stands in for it on this machine."""
    if profile.server == paths.CLOUD:
        return BITBUCKET_CLOUD
    return AuthorizationServer(
        authorization_endpoint=f"{profile.server}{AUTHORIZATION_PATH}",
        token_endpoint=paths.token_endpoint(profile.server),
        api_origins=frozenset({profile.server}),
        reuse_grace=REUSE_GRACE,
    )


def stand_in(address: str) -> str:
    """Return the address of a stand-in for Bitbucket, in one spelling.

    Raises:
        ConfigurationError: It is neither Bitbucket Cloud nor on this machine.
    """
    origin = origin_of(address if "://" in address else f"http://{address}", name="--server")
    if origin != paths.CLOUD and not is_loopback(urlsplit(origin).hostname or ""):
        msg = "--server takes the address of a stand-in on this machine, as `bitbucket-auth fake-server` prints it."
        raise ConfigurationError(msg)
    return origin


def _warner(grant: ClientCredentials | None) -> Callable[[Event], None]:
    """Return what tells the person of a store that fails, where no error does: each thing once."""
    kinds = {EventKind.SAVE_FAILED} if grant is None else {EventKind.SAVE_FAILED, EventKind.STORE_FAILED}
    told: set[str] = set()

    def hear(event: Event) -> None:
        if event.kind in kinds and event.detail not in told:
            told.add(event.detail)
            say(event.detail)

    return hear
