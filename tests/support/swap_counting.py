"""Counting by swaps: whoever loses one looks again, so that a lost update would be a number too few."""

import asyncio
import threading

from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.testing.store_contract import a_record

SIZE = 3_000


async def count_up(store: TokenStore, times: int) -> None:
    """Make the generation of alice's record larger by one, so many times."""
    for _ in range(times):
        won = 0
        while not won:
            found = await store.load("alice")
            generation, version = (found.record.generation, found.version) if found else (0, 0)
            won = await store.swap("alice", a_record(generation + 1, size=SIZE), expected=version)


def count_in_four_threads(store: TokenStore, times: int) -> None:
    """The same in each of four threads, which have loops of their own."""
    threads = [threading.Thread(target=asyncio.run, args=(count_up(store, times),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
