"""A name is new once, and the memory for that is limited."""

from bitbucket_auth_async.web.replay_cache import ReplayCache


def test_a_used_name_is_remembered_until_it_expires() -> None:
    cache = ReplayCache()
    assert cache.first_use("a", now=0.0, until=600.0)
    assert not cache.first_use("a", now=599.0, until=1199.0)
    assert cache.first_use("b", now=600.0, until=1200.0)
    assert list(cache._until) == ["b"]


def test_memory_is_limited() -> None:
    cache = ReplayCache(2)
    assert [cache.first_use(name, now=0.0, until=600.0) for name in "abcb"] == [True, True, True, False]
    assert list(cache._until) == ["b", "c"]
