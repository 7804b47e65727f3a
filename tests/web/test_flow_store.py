"""Sign-ins under way on the server's side: each is given back once, and none for ever."""

from bitbucket_auth_async.web.flow_store import MemoryFlowStore


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_flow_is_given_back_once() -> None:
    store = MemoryFlowStore()
    await store.save("t", "flow", lifetime=600.0)
    assert [await store.take("t"), await store.take("t"), await store.take("u")] == ["flow", None, None]


async def test_a_flow_has_an_end() -> None:
    time = Time()
    store = MemoryFlowStore(boot=time)
    await store.save("t", "flow", lifetime=600.0)
    time.now = 600.0
    assert await store.take("t") is None


async def test_memory_is_bounded_and_the_oldest_makes_room() -> None:
    time = Time()
    store = MemoryFlowStore(2, boot=time)
    for ticket in "abc":
        await store.save(ticket, ticket, lifetime=600.0)
    assert [await store.take(ticket) for ticket in "abc"] == [None, "b", "c"]
    await store.save("a", "a", lifetime=1.0)
    time.now = 2.0
    await store.save("b", "b", lifetime=600.0)
    assert list(store._flows) == ["b"]
