"""The crawler example reads everything once, despite expiries and rate limits."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bitbucket_auth_async import ClientCredentials, TokenManager
from bitbucket_auth_async.api import BitbucketAPI
from bitbucket_auth_async.testing.client_settings import set_env_vars
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake.request_log import RequestInfo
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket
from docs.examples.crawler import crawl, main
from tests.support.clocks import InstantClock, ShiftedClock

WORKSPACES = [f"workspace-{number}" for number in range(100)]
EACH = 500
PAGES = len(WORKSPACES) * EACH // 100


class Schedule:
    """Runs actions at the n-th request to the API; used as the condition of a fault, it is never true."""

    def __init__(self, actions: dict[int, Callable[[], object]]) -> None:
        self.actions = actions
        self.requests = 0

    def __call__(self, info: RequestInfo) -> bool:
        if info.at == "api":
            self.requests += 1
            self.actions.get(self.requests, int)()
        return False


async def test_50_000_repositories_are_read_once_each_despite_three_expiries_and_many_429s() -> None:
    clock, found = ShiftedClock(), Counter[str]()
    async with mock_bitbucket(FakeBitbucket(clock)) as fake:
        fake.rest.repositories = EACH

        def expire() -> None:
            clock.advance(3600)

        def storm() -> None:
            fake.inject(faults.status(429), times=60, at="api")
            fake.inject(faults.status(429, retry_after=7), times=60, at="api")

        schedule = Schedule({100: expire, 200: storm, 400: expire, 550: expire})
        fake.inject(faults.status(500), times=None, at="api", when=schedule)
        waits = InstantClock()
        async with (
            TokenManager(fake.client, grant=ClientCredentials(), clock=clock) as manager,
            BitbucketAPI(manager, patience=3600, clock=waits) as api,
        ):
            await crawl(api, WORKSPACES, lambda repository: found.update([repository["full_name"]]))
    expected = {f"{workspace}/{workspace}-{number + 1}" for workspace in WORKSPACES for number in range(EACH)}
    assert found.keys() == expected
    assert len(found) == found.total() == 50_000
    assert PAGES == 500
    assert fake.token_requests == 4, "one, and one for each expiry"
    # 500 pages, 120 refused requests, and the requests that were sent with a token that had just expired.
    assert PAGES + 120 <= schedule.requests <= PAGES + 120 + 3 * 100
    assert waits.waits


async def test_the_crawler_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    async with mock_bitbucket() as fake:
        fake.rest.repositories = 120
        with set_env_vars():
            await main(["acme", "other", "--per-hour", "600"])
    lines = capsys.readouterr().out.splitlines()
    assert len({json.loads(line)["full_name"] for line in lines}) == len(lines) == 240


async def test_a_missing_workspace_is_reported_and_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    found: list[object] = []
    async with mock_bitbucket() as fake:
        fake.inject(faults.status(404), at="api", when=lambda info: "nowhere" in info.path)
        async with TokenManager(fake.client, grant=ClientCredentials()) as manager, BitbucketAPI(manager) as api:
            await crawl(api, ["nowhere", "acme"], found.append)
    assert len(found) == 25
    assert "/2.0/repositories/nowhere returned 404" in capsys.readouterr().err
