"""A callback is accepted once per process, and the memory for that is bounded."""

from bitbucket_auth_async.web.replay_cache import ReplayCache


def test_what_was_spent_is_remembered_as_long_as_it_could_come_again() -> None:
    cache = ReplayCache()
    assert cache.first_use("a", now=0.0, until=600.0)
    assert not cache.first_use("a", now=599.0, until=1199.0)
    assert cache.first_use("b", now=600.0, until=1200.0)
    assert list(cache._until) == ["b"]


def test_what_was_spent_does_not_fill_the_memory() -> None:
    cache = ReplayCache(2)
    assert [cache.first_use(name, now=0.0, until=600.0) for name in "abcb"] == [True, True, True, False]
    assert list(cache._until) == ["b", "c"]
