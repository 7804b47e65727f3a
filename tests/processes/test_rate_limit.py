"""One budget of requests for several processes: together they get no more turns than it has."""

import asyncio
import sys
import time
from pathlib import Path

LIMIT, PER, TURNS = 30, 1.0, 12

CHILD = """
import asyncio, sys
from bitbucket_auth_async.api import RateLimit
from bitbucket_auth_async.opening import open_store

async def main():
    limit = RateLimit(int(sys.argv[2]), per=float(sys.argv[3]), store=open_store(sys.argv[1]), key="budget")
    for _ in range(int(sys.argv[4])):
        await limit.turn()

asyncio.run(main())
"""


async def test_processes_get_no_more_turns_than_the_budget_has(tmp_path: Path) -> None:
    url = (tmp_path / "tokens.json").as_uri()
    began = time.time()
    words = [sys.executable, "-c", CHILD, url, str(LIMIT), str(PER), str(TURNS)]
    children = [await asyncio.create_subprocess_exec(*words) for _ in range(3)]
    assert [await child.wait() for child in children] == [0, 0, 0]
    took = time.time() - began
    at_once = LIMIT // 10
    apart = PER / (LIMIT - at_once)
    assert took >= (3 * TURNS - at_once) * apart, "36 turns came sooner than one process alone would have got them"
