"""A store's server that is killed under a fleet and started again: no token is lost, and nobody waits for long."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest

from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.server import serve
from tests.support.store_servers import DURABLE, PostgresServer, RedisServer, postgres_server, redis_server
from tests.support.worker_processes import Crew, Worker

Server = RedisServer | PostgresServer
CALLERS = 25
STORE, DEADLINE = 5.0, 20.0
PAST_THE_SHARED_FAILURE = 2.0


@pytest.fixture(params=["valkey", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Run a server of our own: one that is killed is nothing for others."""
    running = postgres_server() if request.param == "postgres" else redis_server("valkey", *DURABLE)
    with running as server:
        yield server


@pytest.fixture
async def crew(server: Server) -> AsyncGenerator[Crew]:
    if isinstance(server, PostgresServer):
        async with PostgresStore(server.url) as store:
            await store.create_schema()
    crew = Crew(server.url, strict=True)
    async with serve(crew.fake) as crew.site:
        yield crew
        await crew.stop()


async def in_vain(worker: Worker) -> None:
    """See that its callers got an error of the store's, after which they may ask again, and got it soon."""
    said = await worker.hears("problems")
    assert len(said["problems"]) == CALLERS
    assert all(problem.startswith("StoreError") for problem in said["problems"])
    assert said["lasting"] == 0
    assert said["slowest"] < DEADLINE


async def test_r2_a_fleet_outlives_its_store(server: Server, crew: Crew) -> None:
    await crew.sign_in()
    workers = await asyncio.gather(*(crew.start(store=STORE, deadline=DEADLINE) for _ in range(3)))
    for worker in workers:
        await worker.call()

    server.kill()  # while nobody renews
    ahead = crew.expire()
    for worker in workers:
        worker.order(callers=CALLERS, ahead=ahead)
    for worker in workers:
        await in_vain(worker)
    assert crew.fake.token_requests == 0
    server.start()
    ahead = crew.hurry(PAST_THE_SHARED_FAILURE)
    used = await asyncio.gather(*(worker.call(CALLERS, ahead=ahead) for worker in workers))
    assert used == [used[0]] * 3
    assert crew.fake.token_requests == 1
    await crew.assert_whole()

    ahead = crew.expire()
    with crew.fake.inject(faults.hold()) as held:
        for worker in workers:
            worker.order(callers=CALLERS, ahead=ahead)
        await held.reached.wait()
        holder = await crew.claimant()
        server.kill()  # while a token is on its way
        for worker in workers:
            if worker is not holder:
                await in_vain(worker)
    said = await holder.hears("problems")
    assert said["problems"] == []
    server.start()
    holder.order(ahead=crew.hurry(PAST_THE_SHARED_FAILURE), wake=True)
    await holder.hears("event", "saved_late")
    assert [fingerprint((await crew.assert_whole()).access_token)] == said["tokens"]

    server.kill()  # while all is saved
    server.start()
    workers.append(await crew.start(store=STORE, deadline=DEADLINE))
    used = await asyncio.gather(*(worker.call(CALLERS, ahead=crew.ahead) for worker in workers))
    assert used == [said["tokens"]] * 4
    assert crew.fake.token_requests == 2
    assert crew.fake.second_spends == []
