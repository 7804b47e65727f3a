"""create_authenticated_api: an API session in one line, from an application's name or the program's functions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from bitbucket_auth_async.api.callback_source import CallbackSource, GetAccessToken
from bitbucket_auth_async.api.session import BitbucketAPI
from bitbucket_auth_async.bitbucket.client_from_env import client_from_env
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.npm.token_file import npm_refresh_token
from bitbucket_auth_async.oauth2.grants import ClientCredentials, RefreshToken
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.stores.callbacks import CallbackStore, LoadConfig, SaveConfig
from bitbucket_auth_async.stores.file import FileStore

_CLIENT_GRANT = ClientCredentials()


@asynccontextmanager
async def create_authenticated_api(
    app_name: str,
    *,
    get_access_token: GetAccessToken | None = None,
    load_config: LoadConfig | None = None,
    save_config: SaveConfig | None = None,
    **api: Any,  # noqa: ANN401 - BitbucketAPI's own arguments
) -> AsyncGenerator[BitbucketAPI, None]:
    """Yield a BitbucketAPI whose token renews itself, and close everything at the end of the block.

    The client comes from `client_from_env`. A stored sign-in is used, also one that the npm package has stored. Without
    a sign-in, the client's own credentials are used.

    Args:
        app_name: Names the token file in the user's data directory.
        get_access_token: Returns the token instead; called again when the token expires or is refused.
        load_config: Loads the configuration that holds the token, instead of the file; with *save_config*. Sync or
            async.
        save_config: Saves that configuration.
        api: Further arguments of BitbucketAPI.

    Raises:
        ConfigurationError: There is no client, or only one of *load_config* and *save_config* is given.
        StoreError: The stored token can't be read.
    """
    if not isinstance(app_name, str) or not app_name:
        msg = "app_name: expected the name of your application as text."
        raise ConfigurationError(msg)
    if (load_config is None) != (save_config is None):
        present, missing = ("load_config", "save_config") if save_config is None else ("save_config", "load_config")
        msg = f"{present} is given without {missing}. Give both."
        raise ConfigurationError(msg)
    if get_access_token is not None:
        given = {"load_config": load_config, "save_config": save_config} if load_config is not None else {}
        async with BitbucketAPI(CallbackSource(get_access_token, {"app_name": app_name, **given}), **api) as session:
            yield session
        return
    store: TokenStore
    if load_config is not None and save_config is not None:
        store = CallbackStore(load_config, save_config)
    else:
        store = FileStore(app_name=app_name)
    manager, refresh_token = await _manager(app_name, store, read_npm_file=load_config is None)
    async with manager, BitbucketAPI(manager, **api) as session:
        if refresh_token is not None:
            await manager.exchange(RefreshToken(refresh_token))
        yield session


async def _manager(app_name: str, store: TokenStore, *, read_npm_file: bool) -> tuple[TokenManager, str | None]:
    """Return a manager for the stored sign-in, else for the client itself, and the npm package's refresh token."""
    client = client_from_env()
    manager = TokenManager(client, store=store)
    found = await store.load(manager.key)
    if found is None and read_npm_file and (refresh_token := await npm_refresh_token(app_name)) is not None:
        return manager, refresh_token
    # `get_access_token` keeps tokens of the client's own credentials under this key too.
    if found is not None and not found.record.signed_out and found.record.issuer.grant_type != _CLIENT_GRANT.grant_type:
        return manager, None
    return TokenManager(client, grant=_CLIENT_GRANT, store=store), None
