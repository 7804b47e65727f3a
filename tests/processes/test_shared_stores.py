"""The promises across real processes on each shared store, on a real server where it has one.

`SOAK=1` makes the fleet of the first test larger: 16 processes with 100 callers each, over 20 expiries.
"""

import asyncio
import os
import signal

import pytest

from tests.support.worker_processes import Crew

PROCESSES, CALLERS, EXPIRIES = (16, 100, 20) if os.environ.get("SOAK") else (4, 25, 5)


@pytest.mark.timeout(900 if os.environ.get("SOAK") else 120)
@pytest.mark.parametrize("fleet", [True], indirect=True, ids=["strict"])
async def test_r1_a_fleet_spends_each_generation_once_and_no_caller_fails(fleet: Crew) -> None:
    await fleet.sign_in()
    workers = await asyncio.gather(*(fleet.start() for _ in range(PROCESSES)))
    for _ in range(EXPIRIES):
        ahead = fleet.expire()
        used = await asyncio.gather(*(worker.call(CALLERS, ahead=ahead) for worker in workers))
        assert len({token for tokens in used for token in tokens}) == 1
    assert fleet.fake.token_requests == EXPIRIES
    assert fleet.fake.second_spends == []
    await fleet.assert_whole()


async def test_r9_a_process_killed_between_receiving_and_saving_is_repaired_by_the_next(fleet: Crew) -> None:
    await fleet.sign_in()
    victim, survivor = await asyncio.gather(fleet.start(), fleet.start())
    ahead = fleet.expire()
    victim.order(callers=10, ahead=ahead, fate="SIGKILL")
    await victim.process.wait()
    assert victim.process.returncode == -signal.SIGKILL
    await survivor.call(10, ahead=ahead)
    assert len(fleet.fake.second_spends) == 1
    await fleet.assert_whole()


async def test_r10_where_a_refresh_kills_the_old_access_token_nobody_sees_a_request_fail(fleet: Crew) -> None:
    fleet.fake.rules.revoke_access_on_refresh = True
    await fleet.sign_in()
    early, other = await asyncio.gather(fleet.start(refresh_ahead=1500.0), fleet.start())
    ahead = fleet.hurry(3600 - 1000)
    [old] = await other.call(5, ahead=ahead)
    early.order(callers=1, ahead=ahead)
    await early.hears("event", "renewed")
    assert old in await other.call(5)  # it has no reason to look, until the server refuses what it holds
    assert other.events["adopted"] == 2
    assert fleet.fake.token_requests == 1
    assert await other.call(5) != [old]
