"""How the calls of callers are timed."""

import asyncio
import time

from benchmarks.peers.adapters.bare_peer import Adapter as Bare
from benchmarks.peers.callers import Call, ask_repeatedly, attempt, figures_of
from benchmarks.peers.world import World


class Slow(Bare):
    """Blocks the loop once, for 300 ms."""

    asked = 0

    async def get_token(self) -> str:
        self.asked += 1
        if self.asked == 1:
            time.sleep(0.3)  # noqa: ASYNC251 - the test needs a blocked loop
        return self.token


class Broken(Bare):
    async def get_token(self) -> str:
        raise PermissionError


class Dead(Bare):
    async def get_token(self) -> str:
        await asyncio.Event().wait()
        return ""


async def test_a_wait_counts_from_when_the_call_was_due_even_if_the_loop_was_blocked(lenient: World) -> None:
    peer = Slow(lenient, None)
    await peer.start(lenient.sign_in())
    asked = await ask_repeatedly(peer, callers=2, every=0.02, seconds=0.4)
    assert len(asked) == 40
    waits = sorted(each.wait for each in asked)
    assert waits[-1] >= 0.29
    assert sum(wait > 0.1 for wait in waits) >= 10, "calls that could not start have waited too"


async def test_any_exception_counts_as_an_error(lenient: World) -> None:
    assert await attempt(Broken(lenient, None)) is None


async def test_a_call_without_an_answer_counts_as_waiting_until_the_end(lenient: World) -> None:
    asked = await ask_repeatedly(Dead(lenient, None), callers=2, every=0.05, seconds=0.1, patience=0.1)
    assert [each.token for each in asked] == [None] * 4
    assert max(each.wait for each in asked) >= 0.2


def test_a_token_counts_as_expired_if_it_had_expired_at_the_server_when_it_was_handed_out(
    lenient: World,
) -> None:
    valid, expired = lenient.sign_in(), lenient.sign_in(left=-2)
    now = time.time()
    given = [(0.001, valid.access_token), (0.002, expired.access_token), (0.1, None), (0.003, valid.access_token)]
    figures = figures_of([Call(wait, now, token) for wait, token in given], lenient)
    assert figures == {"p50": 3.0, "p99": 100.0, "max": 100.0, "expired": 1, "errors_percent": 25.0}
