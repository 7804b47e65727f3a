"""RedisStore on a Cluster of three nodes."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis as blocking
from redis.asyncio import RedisCluster
from redis.crc import key_slot

from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record
from tests.support.ports import free_port
from tests.support.store_servers import redis_server

Node = Any
"""A redis-py client for one node; redis-py is only partly typed."""
EDGES = (0, 5_461, 10_923, 16_384)
OPTIONS = ("--save", "", "--cluster-enabled", "yes")


def knows_all(node: Node) -> bool:
    said = node.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in said and b"cluster_known_nodes:3" in said


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    with ExitStack() as stack:
        bus_ports = [str(free_port()) for _ in range(3)]
        servers = [stack.enter_context(redis_server("valkey", *OPTIONS, "--cluster-port", port)) for port in bus_ports]
        nodes: list[Node] = [stack.enter_context(blocking.Redis(port=server.port)) for server in servers]
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", EDGES[number], EDGES[number + 1] - 1)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port, bus_ports[0])
        while not all(knows_all(node) for node in nodes):
            time.sleep(0.01)
        yield nodes


@pytest.fixture
async def client(nodes: list[Node]) -> AsyncGenerator[Any]:
    for node in nodes:
        node.flushall()
    async with RedisCluster(host="127.0.0.1", port=port_of(nodes[0])) as client:
        yield client


def port_of(node: Node) -> int:
    port: int = node.connection_pool.connection_kwargs["port"]
    return port


class TestRedisStoreOnACluster(TokenStoreContract):
    @pytest.fixture
    async def store(self, client: Any) -> RedisStore:  # noqa: ANN401 - as above
        return RedisStore(client)

    @pytest.fixture
    async def other(self, nodes: list[Node]) -> AsyncGenerator[RedisStore]:
        """A store on a client that learned the slots from another node."""
        async with RedisCluster(host="127.0.0.1", port=port_of(nodes[2])) as client:
            yield RedisStore(client)


async def test_each_record_needs_one_slot_and_all_nodes_have_some(
    client: Any,  # noqa: ANN401 - as above
    nodes: list[Node],
) -> None:
    store = RedisStore(client)
    names = sorted(f"key {number}" for number in range(60))
    for name in names:
        version = await store.swap(name, a_record(), expected=0)
        assert await store.swap(name, a_record(2), expected=version)
    for number, node in enumerate(nodes):
        there = node.keys()
        assert len(there) > 5
        assert all(EDGES[number] <= key_slot(key) < EDGES[number + 1] for key in there)
    assert sum(node.dbsize() for node in nodes) == len(names)
    assert await store.keys() == names


async def test_a_slot_may_move_to_another_node_while_a_program_runs(
    client: Any,  # noqa: ANN401 - as above
    nodes: list[Node],
) -> None:
    store = RedisStore(client)
    version = await store.swap("alice", a_record(), expected=0)
    name = b"bitbucket_auth_async:alice"
    slot = key_slot(name)
    source = next(node for number, node in enumerate(nodes) if EDGES[number] <= slot < EDGES[number + 1])
    target = next(node for node in nodes if node is not source)
    ids = {node: node.execute_command("CLUSTER", "MYID") for node in (source, target)}
    try:
        target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        source.execute_command("MIGRATE", "127.0.0.1", port_of(target), name, 0, 5000)
        assert await store.load("alice") == Versioned(a_record(), version)  # the node answers ASK
        version = await store.swap("alice", a_record(2), expected=version)
        for node in (target, source):
            node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
        assert await store.load("alice") == Versioned(a_record(2), version)
        assert await store.swap("alice", a_record(3), expected=version)
        assert not source.keys()
    finally:
        target.flushall()
        for node in nodes:
            node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[source])
