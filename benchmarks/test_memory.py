"""How much memory does one more manager take?"""

import asyncio
import tracemalloc

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_server import SERVER, CountingServer
from benchmarks.measuring import report, timed
from bitbucket_auth_async import Client, Token, TokenManager
from bitbucket_auth_async.stores.memory import MemoryStore

MANAGERS = 2_000


def test_memory(benchmark: BenchmarkFixture) -> None:
    """For information: managers that share client, server, transport and store, idle and with a token."""
    client, server, store = Client("id", "secret"), CountingServer(), MemoryStore()

    async def sign_in(managers: list[TokenManager]) -> None:
        for number, manager in enumerate(managers):
            await manager.adopt(
                Token(
                    access_token=f"{number:010}" * 260, refresh_token=f"{number:010}" * 4, issued_at=0, expires_at=None
                )
            )
            await asyncio.sleep(0)

    def measure() -> tuple[int, int]:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        managers = [
            TokenManager(client, server=SERVER, transport=server, store=store, key=f"person {number}")
            for number in range(MANAGERS)
        ]
        made = tracemalloc.get_traced_memory()[0]
        with asyncio.Runner() as runner:
            runner.run(sign_in(managers))
            signed_in = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return (made - before) // MANAGERS, (signed_in - before) // MANAGERS - 2_640

    made, signed_in = timed(benchmark, measure, rounds=1)
    report(benchmark, "memory of a manager, in bytes", made=made, signed_in_without_the_text_of_its_token=signed_in)
