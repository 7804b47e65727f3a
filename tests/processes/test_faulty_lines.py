"""A fleet whose way to the store fails again and again: delayed, cut in mid-answer, refused, a black hole.

All processes reach the store through one TCP proxy. Which fault strikes at which moment is drawn from a seed.
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
from tests.support.tcp_proxies import Line, line_to
from tests.support.worker_processes import Crew, Worker

SOAK = bool(os.environ.get("SOAK"))
PROCESSES, CALLERS, TIMES = (16, 100, 2) if SOAK else (4, 25, 1)
STORE, DEADLINE = (5.0, 20.0) if SOAK else (1.5, 6.0)
PAST_THE_SHARED_FAILURE = 2.0
HARMLESS, HARMFUL = ("delayed", "cut once"), ("always cut", "refused", "black hole")


def strike(line: Line, fault: str) -> None:
    """Let this happen on the line from now on."""
    if fault == "delayed":
        line.delay = 0.02
    elif fault == "cut once":
        line.answers_to_halve = 1
    elif fault == "always cut":
        line.halve()
    elif fault == "refused":
        line.refuse()
    else:
        line.swallow()


@pytest.fixture
async def line(fleet: Crew) -> AsyncGenerator[Line]:
    address = urlsplit(fleet.url)
    assert address.port is not None
    async with line_to(address.port) as line:
        fleet.through = fleet.url.replace(f":{address.port}", f":{line.port}")
        yield line


async def asked(workers: list[Worker]) -> list[str]:
    """Return what all callers got; see that each had an answer in time, and that who got none may ask again."""
    said = await asyncio.gather(*(worker.hears("problems") for worker in workers))
    assert max(one["slowest"] for one in said) < DEADLINE
    assert [one["lasting"] for one in said] == [0] * len(said)
    return sorted({token for one in said for token in one["tokens"]})


@pytest.mark.timeout(900 if SOAK else 120)
@pytest.mark.parametrize("shared", ["valkey", "postgres"], indirect=True)
@pytest.mark.parametrize("fleet", [True], indirect=True, ids=["strict"])
async def test_r2_a_line_that_fails_again_and_again_costs_no_token_and_no_caller_much_time(
    fleet: Crew, line: Line
) -> None:
    chance = random.Random(20_261_124)  # noqa: S311 - which test this is, no secret
    await fleet.sign_in()
    workers = list(await asyncio.gather(*(fleet.start(store=STORE, deadline=DEADLINE) for _ in range(PROCESSES))))
    for worker in workers:
        await worker.call()
    rounds = [(fault, claimed) for fault in (*HARMLESS, *HARMFUL) for claimed in (False, True)] * TIMES
    for number, (fault, claimed) in enumerate(chance.sample(rounds, len(rounds)), 1):
        ahead = fleet.expire()
        with fleet.fake.inject(faults.hold()) as held:
            if not claimed:
                strike(line, fault)
            for worker in workers:
                worker.order(callers=CALLERS, ahead=ahead)
            if claimed or fault in HARMLESS:
                await held.reached.wait()
            if claimed:
                strike(line, fault)
        got = await asked(workers)
        # Without a claim nothing is spent; with one, what came back is handed out, saved or not.
        assert len(got) == int(claimed or fault in HARMLESS)
        assert fleet.fake.token_requests == number - 1 + len(got)
        line.mend()
        ahead = fleet.hurry(PAST_THE_SHARED_FAILURE)
        for worker in workers:
            worker.order(ahead=ahead, wake=True)
            worker.order(callers=CALLERS)
        again = await asked(workers)
        assert again == (got or again)
        assert len(again) == 1
        assert fleet.fake.token_requests == number
        assert [fingerprint((await fleet.assert_whole()).access_token)] == again
    assert fleet.fake.second_spends == []
