"""The pages on Redis, PostgreSQL and CI jobs work on real stores, configured as the pages say."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from bitbucket_auth_async import TokenManager
from bitbucket_auth_async.stores.open_store import store_from_env
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.testing import mock_bitbucket
from bitbucket_auth_async.testing.client_settings import set_env_vars
from tests.support.store_servers import postgres_server, redis_server

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def first_fence(page: str, *, having: str = "") -> dict[str, Any]:
    """Return what the page's first Python fence with this in it defines."""
    path = PAGES / page
    fences: list[str] = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, Any] = {"__name__": "fence"}
    code = next(fence for fence in fences if having in fence)
    exec(compile(code, path, "exec"), namespace)  # noqa: S102 - our own page
    return namespace


async def test_the_page_on_redis_stores_a_token_in_a_durable_server(
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


async def test_the_page_on_ci_uses_a_sign_in_made_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BITBUCKET_AUTH_STORE", f"sqlite://{tmp_path}/tokens.db")
    async with mock_bitbucket() as fake:
        token = fake.sign_in()
        async with store_from_env() as store, TokenManager(fake.client, store=store, key="ci") as manager:
            await manager.adopt(token)
        with set_env_vars():
            assert await first_fence("ci.md", having="store_from_env")["access_token"]() == token.access_token


async def test_the_page_on_postgresql_stores_a_token() -> None:
    with postgres_server() as server, set_env_vars():
        async with mock_bitbucket():
            await first_fence("postgresql.md")["run"](server.dsn)
        async with PostgresStore(server.dsn, table="my_app_tokens") as store:
            assert len(await store.keys()) == 1


def test_the_page_on_postgresql_shows_the_schema_of_the_store() -> None:
    schema = PostgresStore("postgresql://db.internal/my_app").schema
    page = (PAGES / "postgresql.md").read_text(encoding="utf-8")
    assert " ".join(schema.split()) in " ".join(page.split())
