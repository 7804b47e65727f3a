"""Errors name a store's server without its credentials."""

import pytest

from bitbucket_auth_async.stores._server_address import server_address, unreachable


@pytest.mark.parametrize(
    "url, name",
    [
        ("redis://cache.example:6379/0", "Redis at cache.example:6379"),
        ("rediss://app:hunter2@cache.example/0?ssl_ca_certs=/hunter2", "Redis at cache.example"),
        ("redis://app:hunter2@with-an-at@[::1]:6379", "Redis at [::1]:6379"),
        ("unix://app:hunter2@/run/redis.sock?db=1", "Redis at /run/redis.sock"),
        ("unix:///run/redis.sock?password=hunter2", "Redis at /run/redis.sock"),
        ("postgresql:///hunter2?host=/run", "Redis"),
        ("postgresql://app:hunter2@[", "Redis"),
        ("postgresql://app:hunter2@one.example:1,two.example:2/db", "Redis"),
        ("redis://app:7/hunter2@cache.example", "Redis"),
        ("redis://app:7#hunter2@cache.example", "Redis"),
        ("redis://app:7?hunter2@cache.example", "Redis"),
        ("redis://host:hunter2/0", "Redis"),
    ],
)
def test_a_server_is_named_without_its_credentials(url: str, name: str) -> None:
    assert server_address("Redis", url) == name
    assert "hunter2" not in name


def test_an_unreachable_server_is_reported_with_the_errors_type_alone() -> None:
    told = unreachable("Redis at cache.example", ConnectionResetError("hunter2"))
    assert told == "Redis at cache.example can't be reached, or the connection broke (ConnectionResetError)."
