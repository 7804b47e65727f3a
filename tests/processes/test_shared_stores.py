"""The promises across real processes on each shared store, on a real server where it has one.

`SOAK=1` makes the fleet of the first test larger: 16 processes with 100 callers each, over 20 expiries.
"""

import asyncio
import os
import signal

import pytest

from tests.support.worker_processes import Fleet

PROCESSES, CALLERS, EXPIRIES = (16, 100, 20) if os.environ.get("SOAK") else (4, 25, 5)


@pytest.mark.timeout(900 if os.environ.get("SOAK") else 120)
@pytest.mark.parametrize("fleet", [True], indirect=True, ids=["strict"])
async def test_r1_a_fleet_spends_each_refresh_token_once_and_no_caller_fails(fleet: Fleet) -> None:
    await fleet.sign_in()
    workers = await asyncio.gather(*(fleet.start() for _ in range(PROCESSES)))
    for _ in range(EXPIRIES):
        offset = fleet.expire()
        used = await asyncio.gather(*(worker.call(CALLERS, offset=offset) for worker in workers))
        assert len({token for tokens in used for token in tokens}) == 1
    assert fleet.fake.token_requests == EXPIRIES
    assert fleet.fake.second_spends == []
    await fleet.assert_intact()


async def test_r9_the_next_process_repairs_a_kill_between_response_and_save(fleet: Fleet) -> None:
    await fleet.sign_in()
    victim, survivor = await asyncio.gather(fleet.start(), fleet.start())
    offset = fleet.expire()
    victim.send(callers=10, offset=offset, fault="SIGKILL")
    assert await victim.exit_code() == -signal.SIGKILL
    await survivor.call(10, offset=offset)
    assert len(fleet.fake.second_spends) == 1
    await fleet.assert_intact()


async def test_r10_no_request_fails_where_a_refresh_revokes_the_old_access_token(fleet: Fleet) -> None:
    fleet.fake.rules.revoke_access_on_refresh = True
    await fleet.sign_in()
    early, other = await asyncio.gather(fleet.start(refresh_ahead=1500.0), fleet.start())
    offset = fleet.advance(3600 - 1000)
    [old] = await other.call(5, offset=offset)
    early.send(callers=1, offset=offset)
    await early.wait_for("event", "renewed")
    assert old in await other.call(5)  # it does not look at the store until the server refuses its token
    assert other.events["adopted"] == 2
    assert fleet.fake.token_requests == 1
    assert await other.call(5) != [old]
