"""Count by compare-and-swap; a lost update would leave the count too low."""

import asyncio
import threading

from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.testing.store_contract import a_record

SIZE = 3_000


async def count_up(store: TokenStore, times: int) -> None:
    """Increment the generation of alice's record so many times, and load again after each lost swap."""
    for _ in range(times):
        won = 0
        while not won:
            found = await store.load("alice")
            generation, version = (found.record.generation, found.version) if found else (0, 0)
            won = await store.swap("alice", a_record(generation + 1, size=SIZE), expected=version)


def count_in_four_threads(store: TokenStore, times: int) -> None:
    """Do the same in four threads, each with an event loop of its own."""
    threads = [threading.Thread(target=asyncio.run, args=(count_up(store, times),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
