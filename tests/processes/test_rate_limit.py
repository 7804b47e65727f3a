"""Several processes share one budget of requests, and do not exceed it together."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

LIMIT, PER, TURNS = 30, 1.0, 12

CHILD = """
import asyncio, sys, time
from bitbucket_auth_async.api import RateLimit
from bitbucket_auth_async.stores.open_store import open_store

async def main():
    limit = RateLimit(int(sys.argv[2]), per=float(sys.argv[3]), store=open_store(sys.argv[1]), key="budget")
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    for _ in range(int(sys.argv[4])):
        await limit.turn()
    print(began, time.time(), flush=True)

asyncio.run(main())
"""


async def line(child: Process) -> str:
    assert child.stdout is not None
    async with asyncio.timeout(60):
        return (await child.stdout.readline()).decode()


async def test_processes_that_share_a_budget_do_not_exceed_it(tmp_path: Path) -> None:
    url = (tmp_path / "tokens.json").as_uri()
    words = [sys.executable, "-c", CHILD, url, str(LIMIT), str(PER), str(TURNS)]
    children = [await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE) for _ in range(3)]
    assert [await line(child) for child in children] == ["ready\n"] * 3
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
    times = [[float(word) for word in (await line(child)).split()] for child in children]
    assert [await child.wait() for child in children] == [0, 0, 0]
    took = max(ended for _, ended in times) - min(began for began, _ in times)
    at_once = LIMIT // 10
    apart = PER / (LIMIT - at_once)
    assert took >= (3 * TURNS - at_once) * apart - 0.001, "36 turns came sooner than one process would have got them"
