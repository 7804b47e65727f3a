import asyncio
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record

RECORD = a_record()


class TestMemoryStore(TokenStoreContract):
    @pytest.fixture
    def store(self) -> TokenStore:
        return MemoryStore()


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Make Python switch threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_with_their_own_event_loops_lose_no_successful_swap(restless_threads: None) -> None:
    store = MemoryStore()
    gate = threading.Barrier(4)
    won: list[int] = []

    async def count() -> None:
        gate.wait()
        for _ in range(10_000):
            found = await store.load("alice")
            generation, version = (found.record.generation, found.version) if found else (0, 0)
            if await store.swap("alice", replace(RECORD, generation=generation + 1), expected=version):
                won.append(generation + 1)

    threads = [threading.Thread(target=asyncio.run, args=(count(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(1, len(won) + 1))
