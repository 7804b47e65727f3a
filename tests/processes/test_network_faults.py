"""A fleet whose network to the store delays, truncates, refuses or drops, again and again.

All processes reach the store through one TCP proxy. A seed decides which fault comes when.
`SOAK=1` makes the fleet larger: 16 processes with 100 callers each, over 20 expiries.
"""

import asyncio
import os
import random
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import pytest

from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.testing.fake import faults
from tests.support.tcp_proxies import TcpProxy, tcp_proxy
from tests.support.worker_processes import Fleet, Worker

SOAK = bool(os.environ.get("SOAK"))
PROCESSES, CALLERS, TIMES = (16, 100, 2) if SOAK else (4, 25, 1)
STORE, DEADLINE = (5.0, 20.0) if SOAK else (1.5, 6.0)
PAST_THE_SHARED_FAILURE = 2.0
HARMLESS, HARMFUL = ("delays", "truncates once"), ("truncates", "refuses", "drops")


def strike(proxy: TcpProxy, fault: str) -> None:
    """Let the proxy fail in this way from now on."""
    if fault == "delays":
        proxy.delay = 0.02
    elif fault == "truncates once":
        proxy.responses_to_truncate = 1
    elif fault == "truncates":
        proxy.truncate_all()
    elif fault == "refuses":
        proxy.refuse_all()
    else:
        proxy.drop_all()


@pytest.fixture
async def proxy(fleet: Fleet) -> AsyncGenerator[TcpProxy]:
    address = urlsplit(fleet.url)
    assert address.port is not None
    async with tcp_proxy(address.port) as proxy:
        fleet.worker_url = fleet.url.replace(f":{address.port}", f":{proxy.port}")
        yield proxy


async def tokens_of(workers: list[Worker]) -> list[str]:
    """Return what all callers got; check that each was answered in time, and that each error is retryable."""
    reports = await asyncio.gather(*(worker.wait_for("problems") for worker in workers))
    assert max(report["slowest"] for report in reports) < DEADLINE
    assert [report["lasting"] for report in reports] == [0] * len(reports)
    return sorted({token for report in reports for token in report["tokens"]})


@pytest.mark.timeout(900 if SOAK else 120)
@pytest.mark.parametrize("store_url", ["valkey", "postgres"], indirect=True)
@pytest.mark.parametrize("fleet", [True], indirect=True, ids=["strict"])
async def test_r2_network_faults_again_and_again_cost_no_token_and_delay_no_caller_for_long(
    fleet: Fleet, proxy: TcpProxy
) -> None:
    chance = random.Random(20_261_124)  # noqa: S311 - picks the faults of this test, no secret
    await fleet.sign_in()
    workers = list(await asyncio.gather(*(fleet.start(store=STORE, deadline=DEADLINE) for _ in range(PROCESSES))))
    for worker in workers:
        await worker.call()
    rounds = [(fault, claimed) for fault in (*HARMLESS, *HARMFUL) for claimed in (False, True)] * TIMES
    for number, (fault, claimed) in enumerate(chance.sample(rounds, len(rounds)), 1):
        offset = fleet.expire()
        with fleet.fake.inject(faults.hold()) as held:
            if not claimed:
                strike(proxy, fault)
            for worker in workers:
                worker.send(callers=CALLERS, offset=offset)
            if claimed or fault in HARMLESS:
                await held.reached.wait()
            if claimed:
                strike(proxy, fault)
        got = await tokens_of(workers)
        # Without a claim nothing is spent; with one, the new token is handed out, saved or not.
        assert len(got) == int(claimed or fault in HARMLESS)
        assert fleet.fake.token_requests == number - 1 + len(got)
        proxy.repair()
        offset = fleet.advance(PAST_THE_SHARED_FAILURE)
        for worker in workers:
            worker.send(offset=offset, wake=True)
            worker.send(callers=CALLERS)
        again = await tokens_of(workers)
        assert again == (got or again)
        assert len(again) == 1
        assert fleet.fake.token_requests == number
        assert [fingerprint((await fleet.assert_intact()).access_token)] == again
    assert fleet.fake.second_spends == []
