"""Flows kept on the server: each is returned once, and expires."""

from bitbucket_auth_async.web.flow_store import MemoryFlowStore


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_flow_is_returned_once() -> None:
    store = MemoryFlowStore()
    await store.save("t", "flow", lifetime=600.0)
    assert [await store.take("t"), await store.take("t"), await store.take("u")] == ["flow", None, None]


async def test_a_flow_expires() -> None:
    time = Time()
    store = MemoryFlowStore(boot=time)
    await store.save("t", "flow", lifetime=600.0)
    time.now = 600.0
    assert await store.take("t") is None


async def test_memory_is_limited_and_the_oldest_flow_is_dropped() -> None:
    time = Time()
    store = MemoryFlowStore(2, boot=time)
    for ticket in "abc":
        await store.save(ticket, ticket, lifetime=600.0)
    assert [await store.take(ticket) for ticket in "abc"] == [None, "b", "c"]
    await store.save("a", "a", lifetime=1.0)
    time.now = 2.0
    await store.save("b", "b", lifetime=600.0)
    assert list(store._flows) == ["b"]
