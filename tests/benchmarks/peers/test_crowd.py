"""How callers are timed."""

import asyncio
import time

from benchmarks.peers.adapters.bare_peer import Adapter as Bare
from benchmarks.peers.crowd import Asked, attempt, crowd, told
from benchmarks.peers.world import World


class Slow(Bare):
    """Blocks the loop once, for 300 ms."""

    asked = 0

    async def get_token(self) -> str:
        self.asked += 1
        if self.asked == 1:
            time.sleep(0.3)  # noqa: ASYNC251 - it is what is tested
        return self.token


class Broken(Bare):
    async def get_token(self) -> str:
        raise PermissionError


class Dead(Bare):
    async def get_token(self) -> str:
        await asyncio.Event().wait()
        return ""


async def test_a_wait_counts_from_when_the_question_was_due_even_if_the_loop_was_blocked(lenient: World) -> None:
    peer = Slow(lenient, None)
    await peer.start(lenient.sign_in())
    asked = await crowd(peer, callers=2, every=0.02, seconds=0.4)
    assert len(asked) == 40
    waits = sorted(each.wait for each in asked)
    assert waits[-1] >= 0.29
    assert sum(wait > 0.1 for wait in waits) >= 10, "those who could not even ask have waited as well"


async def test_any_error_is_an_error(lenient: World) -> None:
    assert await attempt(Broken(lenient, None)) is None


async def test_who_is_never_answered_has_waited_all_along(lenient: World) -> None:
    asked = await crowd(Dead(lenient, None), callers=2, every=0.05, seconds=0.1, patience=0.1)
    assert [each.token for each in asked] == [None] * 4
    assert max(each.wait for each in asked) >= 0.2


def test_an_expired_token_is_one_that_the_server_says_had_expired_when_it_was_given(lenient: World) -> None:
    good, gone = lenient.sign_in(), lenient.sign_in(left=-2)
    now = time.time()
    given = [(0.001, good.access_token), (0.002, gone.access_token), (0.1, None), (0.003, good.access_token)]
    figures = told([Asked(wait, now, token) for wait, token in given], lenient)
    assert figures == {"p50": 3.0, "p99": 100.0, "max": 100.0, "expired": 1, "errors_percent": 25.0}
