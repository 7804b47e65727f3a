"""What every adapter of a port must do, as suites: subclass one, give it a fixture, and pytest proves your own."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Claim, Issuer, Record, Rest
from bitbucket_auth_async.runtime.extras import extra

with extra("testing"):
    import pytest

_LATER: Mapping[str, Any] = MappingProxyType({"later": {"list": [1, "two", None, 2.5, True], "text": "\u00fc\u2028"}})

_ISSUER = Issuer(token_endpoint="https://id.example/token", client_id="kl\u00e4r", grant_type="authorization_code")  # noqa: S106  - an address, no password


def a_record(number: int = 1, *, size: int = 40) -> Record:
    """Return a record with something in every field; *number* tells one from another, *size* is that of a token."""
    token = a_token(number, size=size)
    return Record(
        issuer=_ISSUER,
        generation=number,
        token=token,
        claim=Claim(owner="me", host="boot/4026", process="12/345", since=1_800_000_000.125, spends="ab", lost=True),
        spares=(a_token(number + 1_000, size=size), a_token(number + 2_000, size=size)),
        refused="cd",
        rest=Rest(since=1_800_000_000.0, until=1_800_000_001.0625, attempts=3, reason="503"),
        forced=2,
    )


def a_token(number: int = 1, *, size: int = 40) -> Token:
    """Return a token whose two texts have *size* characters each."""
    return Token(
        access_token=f"access-{number}-".ljust(size, "a"),
        refresh_token=f"refresh-{number}-".ljust(size, "r"),
        issued_at=1_800_000_000.1,
        expires_at=1_800_003_600.2,
        scope=frozenset({"account", "repository:write"}),
    )


@pytest.mark.asyncio
class TokenStoreContract:
    """What every TokenStore must do; a subclass gives the fixture `store`, empty and new for each test.

    Where several processes can share the data, it gives `other` too: a second handle on the same data.
    """

    @pytest.fixture
    def other(self, store: TokenStore) -> TokenStore:
        """Return a second handle on the data of `store`; the same one, where there can be no other."""
        return store

    async def test_nothing_is_there_at_first(self, store: TokenStore) -> None:
        """None means that nothing is stored."""
        assert await store.load("alice") is None

    async def test_loads_what_was_saved(self, store: TokenStore, other: TokenStore) -> None:
        """Every field comes back as it was, under the version that `swap` gave."""
        version = await store.swap("alice", a_record(), expected=0)
        for handle in (store, other):
            assert await handle.load("alice") == Versioned(a_record(), version)

    async def test_a_bare_record_comes_back_bare(self, store: TokenStore) -> None:
        """What is left out stays left out: no scope, no expiry, no refresh token."""
        bare = replace(
            Record(issuer=_ISSUER, generation=0),
            token=Token(access_token="a", issued_at=0.0),  # noqa: S106  - made up
        )
        version = await store.swap("alice", bare, expected=0)
        assert await store.load("alice") == Versioned(bare, version)

    async def test_who_saw_the_last_version_replaces_it(self, store: TokenStore, other: TokenStore) -> None:
        """A second handle may go on from what the first one saved."""
        first = await store.swap("alice", a_record(1), expected=0)
        second = await other.swap("alice", a_record(2), expected=first)
        assert second
        assert await store.load("alice") == Versioned(a_record(2), second)

    async def test_who_saw_an_older_version_loses_and_changes_nothing(
        self, store: TokenStore, other: TokenStore
    ) -> None:
        """The answer is 0, and what is stored stays."""
        first = await store.swap("alice", a_record(1), expected=0)
        second = await store.swap("alice", a_record(2), expected=first)
        assert await other.swap("alice", a_record(3), expected=first) == 0
        assert await store.load("alice") == Versioned(a_record(2), second)

    async def test_who_saw_nothing_loses_to_what_is_there(self, store: TokenStore, other: TokenStore) -> None:
        """0 is expected of an empty place only."""
        version = await store.swap("alice", a_record(1), expected=0)
        assert await other.swap("alice", a_record(2), expected=0) == 0
        assert await store.load("alice") == Versioned(a_record(1), version)

    async def test_who_saw_something_loses_where_nothing_is(self, store: TokenStore) -> None:
        """A store that was emptied does not take what was made for a full one."""
        assert await store.swap("alice", a_record(), expected=123_456_789) == 0
        assert await store.load("alice") is None

    async def test_versions_are_unique_and_fit_63_bits(self, store: TokenStore) -> None:
        """Even the same record saved again gets a version that was never there before."""
        versions = [0]
        for _ in range(20):
            versions.append(await store.swap("alice", a_record(), expected=versions[-1]))
        versions.append(await store.swap("bob", a_record(), expected=0))
        assert len(set(versions)) == len(versions)
        assert all(0 < version < 2**63 for version in versions[1:])

    async def test_versions_do_not_follow_each_other(self, store: TokenStore) -> None:
        """They are random, so that a store restored from a copy never matches by chance."""
        versions = [await store.swap(f"key {number}", a_record(), expected=0) for number in range(8)]
        assert max(versions) > 2**48

    async def test_keys_are_apart(self, store: TokenStore) -> None:
        """Each has its record and its version, and none is expected of another."""
        alice = await store.swap("alice", a_record(1), expected=0)
        bob = await store.swap("bob", a_record(2), expected=0)
        assert await store.swap("bob", a_record(3), expected=alice) == 0
        assert await store.load("alice") == Versioned(a_record(1), alice)
        assert await store.load("bob") == Versioned(a_record(2), bob)
        assert await store.load("carol") is None

    async def test_any_text_is_a_key(self, store: TokenStore) -> None:
        """Nothing is folded, trimmed, normalised or read as a path or a pattern."""
        keys = [
            "",
            " ",
            "a",
            "A",
            "a ",
            "a/b",
            "../a",
            "a:b",
            "%",
            "_",
            "*",
            "'\"\\",
            "\u00e9",
            "e\u0301",
            "\U0001f511",
        ]
        keys += ["k" * 200, "line\nbreak", "{}", "null", "refreshToken"]
        for number, key in enumerate(keys):
            assert await store.swap(key, a_record(number), expected=0), f"{key!r} is not empty"
        for number, key in enumerate(keys):
            found = await store.load(key)
            assert found is not None
            assert found.record == a_record(number), f"{key!r} holds another's record"

    async def test_large_tokens_fit(self, store: TokenStore) -> None:
        """Bitbucket's have more than 2,500 characters; here are nine pairs of 6,000 each."""
        spares = tuple(a_token(number, size=6_000) for number in range(8))
        record = replace(a_record(size=6_000), spares=spares)
        version = await store.swap("alice", record, expected=0)
        assert await store.load("alice") == Versioned(record, version)

    async def test_unknown_fields_survive(self, store: TokenStore) -> None:
        """A later release's fields come back, so that neighbouring releases can share a store."""
        record = replace(a_record(), unknown=_LATER)
        await store.swap("alice", record, expected=0)
        found = await store.load("alice")
        assert found is not None
        assert found.record == record
        assert dict(found.record.unknown) == dict(_LATER)

    async def test_a_tombstone_stays(self, store: TokenStore) -> None:
        """A sign-out is a record like any other, not an absence."""
        first = await store.swap("alice", a_record(), expected=0)
        tombstone = Record(issuer=_ISSUER, generation=2, signed_out=True)
        version = await store.swap("alice", tombstone, expected=first)
        assert await store.load("alice") == Versioned(tombstone, version)

    async def test_of_many_at_once_one_wins(self, store: TokenStore, other: TokenStore) -> None:
        """50 swaps expect the same version: one is in, 49 lose, and what is stored is the winner's."""
        for expected in (0, await store.swap("bob", a_record(), expected=0)):
            key = "bob" if expected else "alice"
            swaps = ((store, other)[n % 2].swap(key, a_record(n), expected=expected) for n in range(50))
            versions = await asyncio.gather(*swaps)
            [(number, version)] = [(n, won) for n, won in enumerate(versions) if won]
            assert await store.load(key) == Versioned(a_record(number), version)

    async def test_keys_do_not_disturb_each_other_when_saved_at_once(
        self, store: TokenStore, other: TokenStore
    ) -> None:
        """20 keys saved side by side are all there."""
        await asyncio.gather(*((store, other)[n % 2].swap(f"key {n}", a_record(n), expected=0) for n in range(20)))
        found = [await store.load(f"key {n}") for n in range(20)]
        assert [one.record.generation for one in found if one] == list(range(20))

    async def test_many_swaps_in_a_row_lose_nothing(self, store: TokenStore, other: TokenStore) -> None:
        """A hundred steps through two handles end at the hundredth."""
        version = 0
        for number in range(100):
            version = await (store, other)[number % 2].swap("alice", a_record(number), expected=version)
            assert version
        assert await store.load("alice") == Versioned(a_record(99), version)

    async def test_a_cancelled_swap_leaves_the_old_or_the_new_and_blocks_nobody(
        self, store: TokenStore, other: TokenStore
    ) -> None:
        """Wherever it is cut off, what is stored is whole, and the next one who looks again gets in."""
        version = await store.swap("alice", a_record(0), expected=0)
        for steps in range(12):
            swap = asyncio.ensure_future(store.swap("alice", a_record(1_000 + steps), expected=version))
            for _ in range(steps):
                await asyncio.sleep(0)
            swap.cancel()
            await asyncio.wait([swap])
            version = 0
            while not version:  # it may still arrive, if its last step is out of our hands
                found = await other.load("alice")
                assert found is not None
                assert found.record in (a_record(steps), a_record(1_000 + steps))
                version = await other.swap("alice", a_record(steps + 1), expected=found.version)
