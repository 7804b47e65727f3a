"""The example of a crawler: complete, without a duplicate and without a failure, whatever happens on the way."""

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


class Calendar:
    """Lets things happen at the n-th request to the API; as a condition of a fault it is never true."""

    def __init__(self, days: dict[int, Callable[[], object]]) -> None:
        self.days = days
        self.requests = 0

    def __call__(self, call: RequestInfo) -> bool:
        if call.at == "api":
            self.requests += 1
            self.days.get(self.requests, int)()
        return False


async def test_fifty_thousand_repositories_come_once_each_across_three_expiries_and_a_storm_of_429s() -> None:
    clock, found = ShiftedClock(), Counter[str]()
    async with mock_bitbucket(FakeBitbucket(clock)) as fake:
        fake.rest.repositories = EACH

        def expire() -> None:
            clock.advance(3600)

        def storm() -> None:
            fake.inject(faults.status(429), times=60, at="api")
            fake.inject(faults.status(429, retry_after=7), times=60, at="api")

        calendar = Calendar({100: expire, 200: storm, 400: expire, 550: expire})
        fake.inject(faults.status(500), times=None, at="api", when=calendar)
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
    # Five hundred pages, what the storm refused, and what was under way with a token that had just expired.
    assert PAGES + 120 <= calendar.requests <= PAGES + 120 + 3 * 100
    assert waits.waits


async def test_it_runs_as_its_users_run_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    async with mock_bitbucket() as fake:
        fake.rest.repositories = 120
        with set_env_vars():
            await main(["acme", "other", "--per-hour", "600"])
    lines = capsys.readouterr().out.splitlines()
    assert len({json.loads(line)["full_name"] for line in lines}) == len(lines) == 240


async def test_a_workspace_that_is_not_there_is_told_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    found: list[object] = []
    async with mock_bitbucket() as fake:
        fake.inject(faults.status(404), at="api", when=lambda call: "nowhere" in call.path)
        async with TokenManager(fake.client, grant=ClientCredentials()) as manager, BitbucketAPI(manager) as api:
            await crawl(api, ["nowhere", "acme"], found.append)
    assert len(found) == 25
    assert "/2.0/repositories/nowhere returned 404" in capsys.readouterr().err
