"""create_authenticated_api: an API session in one line, from an application's name or functions of one's own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from bitbucket_auth_async.api.callback_source import AskedSource, GetAccessToken
from bitbucket_auth_async.api.session import BitbucketAPI
from bitbucket_auth_async.bitbucket.client_from_env import client_from_env
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.npm.get_access_token import left_by_the_npm_package
from bitbucket_auth_async.oauth2.grants import ClientCredentials, RefreshToken
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.stores.callbacks import CallbackStore, LoadConfig, SaveConfig
from bitbucket_auth_async.stores.file import FileStore

_OWN_GRANT = ClientCredentials()


@asynccontextmanager
async def create_authenticated_api(
    app_name: str,
    *,
    get_access_token: GetAccessToken | None = None,
    load_config: LoadConfig | None = None,
    save_config: SaveConfig | None = None,
    **api: Any,  # noqa: ANN401 - what BitbucketAPI takes
) -> AsyncGenerator[BitbucketAPI, None]:
    """Give a BitbucketAPI whose token renews itself, and close everything at the end of the block.

    The client is what `client_from_env` reads. A sign-in that is stored is used (one that the npm package left behind,
    too); without one, the client speaks for itself.

    Args:
        app_name: Names the file in the user's data directory in which the token is kept.
        get_access_token: Gets the token in another way, and is asked again when it expires or is refused.
        load_config: With *save_config*: functions, sync or async, that keep a configuration for us.
        save_config: See *load_config*.
        api: Whatever BitbucketAPI takes.

    Raises:
        ConfigurationError: There is no client, or one of the two functions is missing.
        StoreError: What is stored can't be read.
    """
    if not isinstance(app_name, str) or not app_name:
        msg = "app_name: expected a text that names your application."
        raise ConfigurationError(msg)
    if (load_config is None) != (save_config is None):
        msg = f"{'save_config' if save_config is None else 'load_config'} is missing: both are needed."
        raise ConfigurationError(msg)
    if get_access_token is not None:
        given = {"load_config": load_config, "save_config": save_config} if load_config is not None else {}
        async with BitbucketAPI(AskedSource(get_access_token, {"app_name": app_name, **given}), **api) as session:
            yield session
        return
    store: TokenStore
    if load_config is not None and save_config is not None:
        store = CallbackStore(load_config, save_config)
    else:
        store = FileStore(app_name=app_name)
    manager, refresh_token = await _manager(app_name, store, look_around=load_config is None)
    async with manager, BitbucketAPI(manager, **api) as session:
        if refresh_token is not None:
            await manager.exchange(RefreshToken(refresh_token))
        yield session


async def _manager(app_name: str, store: TokenStore, *, look_around: bool) -> tuple[TokenManager, str | None]:
    """Return a manager for the sign-in that there is, with the refresh token to begin it; or for the client itself."""
    client = client_from_env()
    manager = TokenManager(client, store=store)
    found = await store.load(manager.key)
    if found is None and look_around and (left := await left_by_the_npm_package(app_name)) is not None:
        return manager, left
    # The record may be of `get_access_token`, which keeps what the client's own credentials brought under this key too.
    if found is not None and not found.record.signed_out and found.record.issuer.grant_type != _OWN_GRANT.grant_type:
        return manager, None
    return TokenManager(client, grant=_OWN_GRANT, store=store), None
