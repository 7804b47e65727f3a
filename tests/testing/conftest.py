"""Fixtures for tests of the fake: a client that sends token requests built by the package itself."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.oauth2.clients import ClientAuthentication
from bitbucket_auth_async.oauth2.grants import Grant, RefreshToken
from bitbucket_auth_async.oauth2.http_messages import Request
from bitbucket_auth_async.oauth2.token_endpoint import token_request
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock


@dataclass(frozen=True, slots=True)
class Asking:
    """Sends token requests to one fake, by default as its first client."""

    fake: FakeBitbucket
    clock: FakeClock

    def request(self, grant: Grant, client: ClientAuthentication | None = None) -> Request:
        return token_request(BITBUCKET_CLOUD.token_endpoint, client or self.fake.client, grant, now=self.clock.wall())

    def __call__(self, grant: Grant, client: ClientAuthentication | None = None) -> tuple[int, dict[str, Any]]:
        response = self.fake.token(self.request(grant, client))
        return response.status, json.loads(response.body)

    def refresh(self, refresh_token: str | None) -> tuple[int, dict[str, Any]]:
        assert refresh_token is not None
        return self(RefreshToken(refresh_token))

    def user(self, access_token: str) -> int:
        return self.fake.api("GET", "/2.0/user", headers={"Authorization": f"Bearer {access_token}"}).status


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def fake(clock: FakeClock) -> FakeBitbucket:
    return FakeBitbucket(clock)


@pytest.fixture
def ask(fake: FakeBitbucket, clock: FakeClock) -> Asking:
    return Asking(fake, clock)


@pytest.fixture
def asking(clock: FakeClock) -> Callable[[FakeBitbucket], Asking]:
    """Return the same for a fake that the test creates."""
    return lambda fake: Asking(fake, clock)
