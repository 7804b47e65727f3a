"""The pages on Redis and PostgreSQL, run on real servers told what the pages say."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.testing import mock_bitbucket
from bitbucket_auth_async.testing.options import set_env_vars
from tests.servers import postgres_server, redis_server

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def first_fence(page: str) -> dict[str, Any]:
    """Return what the page's first Python fence defines."""
    path = PAGES / page
    fence = re.search(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    assert fence is not None
    namespace: dict[str, Any] = {"__name__": "fence"}
    exec(compile(fence[1], path, "exec"), namespace)  # noqa: S102 - our own page
    return namespace


async def test_the_page_on_redis_keeps_a_token_in_a_server_that_loses_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    page = (PAGES / "redis.md").read_text(encoding="utf-8")
    configuration = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert configuration is not None
    with redis_server("valkey", configuration=textwrap.dedent(configuration[1])) as server, set_env_vars():
        monkeypatch.setenv("BITBUCKET_AUTH_STORE", server.url)
        async with mock_bitbucket():
            await first_fence("redis.md")["run"]()
        async with RedisStore(server.url) as store:
            assert len(await store.keys()) == 1
    assert "not_durable" not in caplog.text


async def test_the_page_on_postgresql_keeps_a_token() -> None:
    with postgres_server() as server, set_env_vars():
        async with mock_bitbucket():
            await first_fence("postgresql.md")["run"](server.dsn)
        async with PostgresStore(server.dsn, table="my_app_tokens") as store:
            assert len(await store.keys()) == 1


def test_the_table_on_the_page_is_the_one_that_the_store_makes() -> None:
    schema = PostgresStore("postgresql://db.internal/my_app").schema
    page = (PAGES / "postgresql.md").read_text(encoding="utf-8")
    assert " ".join(schema.split()) in " ".join(page.split())
