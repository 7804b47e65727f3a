"""OAuth 2.0 for Bitbucket on asyncio: an access token that is always valid, for one coroutine or a whole fleet."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitbucket_auth_async.bearer.static_credentials import AccessToken, ApiToken
    from bitbucket_auth_async.bitbucket.client_from_env import client_from_env
    from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
    from bitbucket_auth_async.bitbucket.data_center import bitbucket_data_center
    from bitbucket_auth_async.errors import (
        AccessDeniedError,
        AuthorizationError,
        BitbucketAuthError,
        CallbackError,
        ConfigurationError,
        DeadlineError,
        InvalidClientError,
        InvalidGrantError,
        LoginRequiredError,
        OAuthError,
        OutageError,
        RecordError,
        StoreError,
        TransportError,
        UnavailableError,
    )
    from bitbucket_auth_async.manager.token_manager import TokenManager
    from bitbucket_auth_async.manager.token_manager_pool import TokenManagerPool
    from bitbucket_auth_async.npm.get_access_token import get_access_token
    from bitbucket_auth_async.npm.hooks import Hooks
    from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
    from bitbucket_auth_async.oauth2.clients import Client
    from bitbucket_auth_async.oauth2.grants import AuthorizationCode, ClientCredentials, Password, RefreshToken
    from bitbucket_auth_async.oauth2.servers import AuthorizationServer
    from bitbucket_auth_async.oauth2.tokens import Token
    from bitbucket_auth_async.renewal.timing import Timing
    from bitbucket_auth_async.stores.open_store import open_store
    from bitbucket_auth_async.telemetry.events import Event, EventKind

__all__ = [
    "BITBUCKET_CLOUD",
    "AccessDeniedError",
    "AccessToken",
    "ApiToken",
    "AuthorizationCode",
    "AuthorizationError",
    "AuthorizationRequest",
    "AuthorizationServer",
    "BitbucketAuthError",
    "CallbackError",
    "Client",
    "ClientCredentials",
    "ConfigurationError",
    "DeadlineError",
    "Event",
    "EventKind",
    "Hooks",
    "InvalidClientError",
    "InvalidGrantError",
    "LoginRequiredError",
    "OAuthError",
    "OutageError",
    "Password",
    "RecordError",
    "RefreshToken",
    "StoreError",
    "Timing",
    "Token",
    "TokenManager",
    "TokenManagerPool",
    "TransportError",
    "UnavailableError",
    "bitbucket_data_center",
    "client_from_env",
    "get_access_token",
    "open_store",
]

_HOMES = {
    "BITBUCKET_CLOUD": "bitbucket.cloud",
    "AccessToken": "bearer.static_credentials",
    "ApiToken": "bearer.static_credentials",
    "AuthorizationCode": "oauth2.grants",
    "AuthorizationRequest": "oauth2.authorization_endpoint",
    "AuthorizationServer": "oauth2.servers",
    "Client": "oauth2.clients",
    "ClientCredentials": "oauth2.grants",
    "Event": "telemetry.events",
    "EventKind": "telemetry.events",
    "Hooks": "npm.hooks",
    "Password": "oauth2.grants",
    "RefreshToken": "oauth2.grants",
    "Timing": "renewal.timing",
    "Token": "oauth2.tokens",
    "TokenManager": "manager.token_manager",
    "TokenManagerPool": "manager.token_manager_pool",
    "bitbucket_data_center": "bitbucket.data_center",
    "client_from_env": "bitbucket.client_from_env",
    "get_access_token": "npm.get_access_token",
    "open_store": "stores.open_store",
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use, so that unused modules cost no time (PEP 562)."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return all public names, imported or not."""
    return sorted({*globals(), *__all__})
