"""Testing kit: a fake Bitbucket, a fake clock, pytest fixtures, and contract suites for stores, transports and bearers.

Names load at first use, so that importing one does not import pytest, aioresponses or aiohttp for the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitbucket_auth_async.testing.aioresponses import mock_token_endpoint
    from bitbucket_auth_async.testing.client_settings import basic_auth, opts, set_env_vars
    from bitbucket_auth_async.testing.fake import faults
    from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket, SilentPageError
    from bitbucket_auth_async.testing.fake_clock import FakeClock
    from bitbucket_auth_async.testing.mock_aiohttp import UnmockedHostError, mock_bitbucket
    from bitbucket_auth_async.testing.server import fake_bitbucket_app, serve, server_at

__all__ = [
    "FakeBitbucket",
    "FakeClock",
    "SilentPageError",
    "UnmockedHostError",
    "basic_auth",
    "fake_bitbucket_app",
    "faults",
    "mock_bitbucket",
    "mock_token_endpoint",
    "opts",
    "serve",
    "server_at",
    "set_env_vars",
]

_MODULES = {
    "FakeBitbucket": "fake_bitbucket",
    "FakeClock": "fake_clock",
    "SilentPageError": "fake_bitbucket",
    "UnmockedHostError": "mock_aiohttp",
    "basic_auth": "client_settings",
    "fake_bitbucket_app": "server",
    "mock_bitbucket": "mock_aiohttp",
    "mock_token_endpoint": "aioresponses",
    "opts": "client_settings",
    "serve": "server",
    "server_at": "server",
    "set_env_vars": "client_settings",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  - a module's attributes have any type
    if name == "faults":
        return import_module("bitbucket_auth_async.testing.fake.faults")
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
