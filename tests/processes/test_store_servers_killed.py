"""A store server is killed under a fleet and started again: no token is lost, and no caller waits for long."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest

from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.server import serve
from tests.support.store_servers import DURABLE, PostgresServer, RedisServer, postgres_server, redis_server
from tests.support.worker_processes import Fleet, Worker

Server = RedisServer | PostgresServer
CALLERS = 25
STORE, DEADLINE = 5.0, 20.0
PAST_THE_SHARED_FAILURE = 2.0


@pytest.fixture(params=["valkey", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Run a server that no other test uses, since this one is killed."""
    running = postgres_server() if request.param == "postgres" else redis_server("valkey", *DURABLE)
    with running as server:
        yield server


@pytest.fixture
async def fleet(server: Server) -> AsyncGenerator[Fleet]:
    if isinstance(server, PostgresServer):
        async with PostgresStore(server.url) as store:
            await store.create_schema()
    fleet = Fleet(server.url, strict=True)
    async with serve(fleet.fake) as fleet.site:
        yield fleet
        await fleet.stop()


async def assert_store_errors(worker: Worker) -> None:
    """Check that its callers got a retryable StoreError in time."""
    report = await worker.wait_for("problems")
    assert len(report["problems"]) == CALLERS
    assert all(problem.startswith("StoreError") for problem in report["problems"])
    assert report["lasting"] == 0
    assert report["slowest"] < DEADLINE


async def test_r2_a_fleet_survives_kills_of_its_store_server(server: Server, fleet: Fleet) -> None:
    await fleet.sign_in()
    workers = await asyncio.gather(*(fleet.start(store=STORE, deadline=DEADLINE) for _ in range(3)))
    for worker in workers:
        await worker.call()

    server.kill()  # while no process renews
    offset = fleet.expire()
    for worker in workers:
        worker.send(callers=CALLERS, offset=offset)
    for worker in workers:
        await assert_store_errors(worker)
    assert fleet.fake.token_requests == 0
    server.start()
    offset = fleet.advance(PAST_THE_SHARED_FAILURE)
    used = await asyncio.gather(*(worker.call(CALLERS, offset=offset) for worker in workers))
    assert used == [used[0]] * 3
    assert fleet.fake.token_requests == 1
    await fleet.assert_intact()

    offset = fleet.expire()
    with fleet.fake.inject(faults.hold()) as held:
        for worker in workers:
            worker.send(callers=CALLERS, offset=offset)
        await held.reached.wait()
        owner = await fleet.claim_owner()
        server.kill()  # while the response is on its way
        for worker in workers:
            if worker is not owner:
                await assert_store_errors(worker)
    report = await owner.wait_for("problems")
    assert report["problems"] == []
    server.start()
    owner.send(offset=fleet.advance(PAST_THE_SHARED_FAILURE), wake=True)
    await owner.wait_for("event", "saved_late")
    assert [fingerprint((await fleet.assert_intact()).access_token)] == report["tokens"]

    server.kill()  # while all is saved
    server.start()
    workers.append(await fleet.start(store=STORE, deadline=DEADLINE))
    used = await asyncio.gather(*(worker.call(CALLERS, offset=fleet.offset) for worker in workers))
    assert used == [report["tokens"]] * 4
    assert fleet.fake.token_requests == 2
    assert fleet.fake.second_spends == []
