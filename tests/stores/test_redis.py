import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any, cast

import pytest
import redis as blocking
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record
from tests.support.error_texts import error_chain, full_text
from tests.support.store_servers import DURABLE, REDIS_KINDS, RedisServer, redis_server
from tests.support.tcp_proxies import tcp_proxy

Admin = Any
"""A redis-py client; redis-py is only partly typed."""


def administered(server: RedisServer) -> Admin:
    return blocking.Redis(port=server.port)


@pytest.fixture(scope="module", params=REDIS_KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with redis_server(request.param, "--save", "") as server:
        yield server


@pytest.fixture
def admin(server: RedisServer) -> Iterator[Admin]:
    with administered(server) as admin:
        admin.flushall()
        yield admin


@pytest.fixture
async def store(server: RedisServer, admin: Admin) -> AsyncGenerator[RedisStore]:
    async with RedisStore(server.url) as store:
        yield store


class TestRedisStore(TokenStoreContract):
    @pytest.fixture
    async def store(self, server: RedisServer, admin: Admin) -> AsyncGenerator[RedisStore]:
        async with RedisStore(server.url) as store:
            yield store

    @pytest.fixture
    async def other(self, server: RedisServer) -> AsyncGenerator[RedisStore]:
        """A store on the program's own client, which decodes answers."""
        async with Redis(port=server.port, decode_responses=True) as client:
            yield RedisStore(client)


class TestEncryptedRedisStore(TokenStoreContract):
    @pytest.fixture
    async def store(self, server: RedisServer, admin: Admin) -> AsyncGenerator[RedisStore]:
        async with Redis(port=server.port, decode_responses=True) as client:
            yield RedisStore(client, codec=EncryptedCodec([EncryptionKey.new()]))


async def test_a_client_from_sentinel_works(server: RedisServer, admin: Admin) -> None:
    configuration = f"sentinel monitor main 127.0.0.1 {server.port} 1\n"
    with redis_server("valkey", "--sentinel", configuration=configuration) as guard:
        sentinel = cast("Any", Sentinel)([("127.0.0.1", guard.port)])
        async with sentinel.master_for("main") as client:
            store = RedisStore(client)
            version = await store.swap("alice", a_record(), expected=0)
            assert await store.load("alice") == Versioned(a_record(), version)
        for each in sentinel.sentinels:
            await each.aclose()


async def test_only_keys_with_the_prefix_are_listed(server: RedisServer, admin: Admin) -> None:
    async with RedisStore(server.url, prefix="a*[b]?\\:") as store, RedisStore(server.url, prefix="axb:") as stranger:
        await store.swap("é *", a_record(), expected=0)
        await stranger.swap("bob", a_record(), expected=0)
        assert await store.keys() == ["é *"]


async def test_the_script_is_sent_again_to_a_server_that_lost_it(store: RedisStore, admin: Admin) -> None:
    version = await store.swap("alice", a_record(), expected=0)
    admin.script_flush()
    assert await store.swap("alice", a_record(2), expected=version)
    [entry] = [each for name, each in admin.info("commandstats").items() if name == "cmdstat_eval"]
    assert entry["calls"] >= 2


async def test_r9_confirmed_swaps_survive_sigkill_of_the_server_and_the_store_reconnects() -> None:
    with redis_server("valkey", *DURABLE) as server:
        async with RedisStore(server.url) as store:
            version = await store.swap("alice", a_record(), expected=0)
            server.kill()
            told = f"could not be written: Redis at 127.0.0.1:{server.port} can't be reached, or the connection broke"
            with pytest.raises(StoreError, match=told) as caught:
                await store.swap("alice", a_record(2), expected=version)
            assert caught.value.retryable
            server.start()
            assert await store.load("alice") == Versioned(a_record(), version)
            assert await store.swap("alice", a_record(2), expected=version)


async def test_a_swap_whose_answer_was_lost_is_repeated_and_has_succeeded(server: RedisServer, admin: Admin) -> None:
    async with tcp_proxy(server.port) as proxy, RedisStore(f"redis://127.0.0.1:{proxy.port}") as store:
        version = await store.swap("alice", a_record(), expected=0)
        proxy.responses_to_drop = 1
        version = await store.swap("alice", a_record(2), expected=version)
        assert version
        assert proxy.responses_to_drop == 0
        proxy.reset_connections()
        assert await store.load("alice") == Versioned(a_record(2), version)


async def test_a_connection_that_swallows_everything_times_out_and_delays_no_other_call(
    server: RedisServer, admin: Admin
) -> None:
    async with tcp_proxy(server.port) as proxy, RedisStore(f"redis://127.0.0.1:{proxy.port}", timeout=0.4) as store:
        version = await store.swap("alice", a_record(), expected=0)
        proxy.silent = True
        began = time.monotonic()
        with pytest.raises(StoreError) as caught:
            await store.load("alice")
        assert time.monotonic() - began < 2
        assert caught.value.retryable
        proxy.silent = False
        assert await store.load("alice") == Versioned(a_record(), version)


async def test_a_dead_connection_costs_half_the_timeout_and_no_error(server: RedisServer, admin: Admin) -> None:
    async with tcp_proxy(server.port) as proxy, RedisStore(f"redis://127.0.0.1:{proxy.port}", timeout=1.0) as store:
        await store.swap("alice", a_record(), expected=0)
        proxy.silent = True
        asyncio.get_running_loop().call_later(0.2, setattr, proxy, "silent", False)  # noqa: FBT003  - setattr has no names
        assert await store.load("alice")  # the lost request is repeated on a new connection


@pytest.mark.parametrize("kind", REDIS_KINDS)
async def test_a_connection_to_a_master_that_became_a_replica_is_dropped(kind: str) -> None:
    """As with a host name that leads to another server after a failover."""
    with redis_server(kind, "--save", "") as former, redis_server(kind, "--save", "") as master:
        async with tcp_proxy(former.port) as proxy, RedisStore(f"redis://127.0.0.1:{proxy.port}") as store:
            assert await store.load("alice") is None
            with administered(former) as admin:
                admin.replicaof("127.0.0.1", master.port)
            with pytest.raises(StoreError, match="said ReadOnlyError") as caught:
                await store.swap("alice", a_record(), expected=0)
            assert caught.value.retryable
            assert list(error_chain(caught.value)) == [caught.value]
            await store.load("alice")  # connects again, to the same server
            proxy.redirect_to(master.port)
            version = await store.swap("alice", a_record(), expected=0)
        async with RedisStore(master.url) as store:
            assert await store.load("alice") == Versioned(a_record(), version)


async def test_cancelled_calls_do_not_mix_up_answers(store: RedisStore) -> None:
    for name in ("alice", "bob"):
        await store.swap(name, a_record(len(name)), expected=0)
    for steps in range(30):
        gone = asyncio.ensure_future(store.load("alice"))
        for _ in range(steps):
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        found = await store.load("bob")
        assert found is not None
        assert found.record == a_record(len("bob"))


async def test_more_callers_than_connections_wait_for_a_free_one(store: RedisStore) -> None:
    found = await asyncio.gather(*(store.load(f"key {number}") for number in range(200)))
    assert found == [None] * 200


async def test_a_server_without_persistence_is_warned_of_once(server: RedisServer, admin: Admin) -> None:
    events: list[Event] = []
    async with RedisStore(server.url, on_event=events.append) as store:
        await store.load("alice")
        await store.load("alice")
    [event] = events
    assert event.kind is EventKind.NOT_DURABLE
    assert "appendonly no" in event.detail
    assert "maxmemory" not in event.detail


@pytest.mark.parametrize(
    "options,warned",
    [
        (DURABLE, False),
        ((*DURABLE, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), True),
        ((*DURABLE, "--maxmemory-policy", "allkeys-lru"), False),  # without maxmemory nothing is evicted
        (
            (*DURABLE, "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"),
            False,
        ),  # only keys with an expiry are evicted
    ],
)
async def test_a_server_that_evicts_is_warned_of(options: tuple[str, ...], warned: bool) -> None:  # noqa: FBT001  - from the table
    events: list[Event] = []
    with redis_server("valkey", *options) as server:
        async with RedisStore(server.url, on_event=events.append) as store:
            await store.load("alice")
    assert [event.kind for event in events] == [EventKind.NOT_DURABLE] * warned
    assert all("maxmemory-policy allkeys-lru" in event.detail for event in events)


async def test_a_user_without_permission_for_info_can_use_the_store(server: RedisServer, admin: Admin) -> None:
    admin.execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-info")
    async with RedisStore(f"redis://app:pass@127.0.0.1:{server.port}") as store:
        assert await store.swap("alice", a_record(), expected=0)


async def test_a_server_that_does_not_answer_info_can_be_used(server: RedisServer, admin: Admin) -> None:
    asked = 0

    class Silent(Redis):
        async def info(self, *_sections: Any, **_options: Any) -> Any:  # noqa: ANN401  - as redis-py has it
            nonlocal asked
            asked += 1
            await asyncio.Event().wait()

    async with Silent(port=server.port) as client:
        store = RedisStore(client, timeout=0.3)
        version = await store.swap("alice", a_record(), expected=0)
        assert await store.load("alice") == Versioned(a_record(), version)
    assert asked == 1


async def test_a_wrong_password_is_not_retried_and_not_shown(server: RedisServer, admin: Admin) -> None:
    admin.config_resetstat()
    async with RedisStore(f"redis://app:hunter2@127.0.0.1:{server.port}") as store:
        with pytest.raises(StoreError, match=f"Redis at 127.0.0.1:{server.port} said AuthenticationError") as caught:
            await store.load("alice")
        assert not caught.value.retryable
        asked = admin.info("commandstats")
        assert sum(asked[name]["calls"] for name in ("cmdstat_auth", "cmdstat_hello") if name in asked) == 1
        assert "hunter2" not in full_text(caught.value) + repr(store)


async def test_a_server_error_shows_nothing_of_the_record(server: RedisServer, admin: Admin) -> None:
    admin.execute_command("ACL", "SETUSER", "reader", "on", ">pass", "~*", "+@all", "-evalsha", "-eval")
    async with RedisStore(f"redis://reader:pass@127.0.0.1:{server.port}") as store:
        with pytest.raises(StoreError, match="NoPermissionError") as caught:
            await store.swap("alice", a_record(), expected=0)
        assert not caught.value.retryable
        assert "refresh-1" not in full_text(caught.value)
        assert list(error_chain(caught.value)) == [caught.value]  # the server's message may quote the request


async def test_a_key_that_holds_something_else_is_left_unchanged(store: RedisStore, admin: Admin) -> None:
    admin.set("bitbucket_auth_async:alice", "hunter2")
    for call in (store.load("alice"), store.swap("alice", a_record(), expected=0)):
        with pytest.raises(RecordError, match="something other than a record") as caught:
            await call
        assert "hunter2" not in full_text(caught.value)
    assert admin.get("bitbucket_auth_async:alice") == b"hunter2"


@pytest.mark.parametrize(
    "fields",
    [{"version": "1"}, {"record": "{}"}, {"version": "0", "record": "{}"}, {"version": "9" * 19, "record": "{}"}],
)
async def test_an_incomplete_record_is_an_error(fields: dict[str, str], store: RedisStore, admin: Admin) -> None:
    admin.hset("bitbucket_auth_async:alice", mapping=fields)
    with pytest.raises(RecordError, match="no valid version or no record"):
        await store.load("alice")


async def test_the_store_closes_only_a_client_that_it_created(server: RedisServer, admin: Admin) -> None:
    async with Redis(port=server.port) as client:
        async with RedisStore(client) as given:
            await given.load("alice")
        assert await cast("Any", client).ping()
    store = RedisStore(server.url)
    await store.load("alice")
    await store.aclose()
    await store.aclose()
    with pytest.raises(ConfigurationError, match="This RedisStore is closed"):
        await store.load("alice")


def test_one_store_serves_two_event_loops_one_after_the_other(server: RedisServer, admin: Admin) -> None:
    store = RedisStore(server.url)

    async def use(key: str) -> int:
        try:
            return await store.swap(key, a_record(), expected=0)
        finally:
            await store._client().aclose()  # a client left open is a warning, and warnings are errors here

    assert asyncio.run(use("alice"))
    assert asyncio.run(use("bob"))


@pytest.mark.parametrize("url", ["http://host", "redis://host:hunter2/0", "localhost", ""])
def test_an_invalid_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="redis-py can't parse") as caught:
        RedisStore(url)
    assert "hunter2" not in full_text(caught.value)
