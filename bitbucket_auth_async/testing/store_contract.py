"""TokenStoreContract: subclass it with a fixture `store` to test your own store."""

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
    """Return a record with a value in every field; *number* makes it unique, *size* is the length of its tokens."""
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
    """Return a token whose access and refresh tokens have *size* characters each."""
    return Token(
        access_token=f"access-{number}-".ljust(size, "a"),
        refresh_token=f"refresh-{number}-".ljust(size, "r"),
        issued_at=1_800_000_000.1,
        expires_at=1_800_003_600.2,
        scope=frozenset({"account", "repository:write"}),
    )


@pytest.mark.asyncio
class TokenStoreContract:
    """Tests that every TokenStore must pass; a subclass provides the fixture `store`, empty and new for each test.

    If several processes can share the data, it also provides `other`, a second handle on the same data.
    """

    @pytest.fixture
    def other(self, store: TokenStore) -> TokenStore:
        """Return a second handle on the data of `store`, or the same one if there can be only one."""
        return store

    async def test_an_empty_store_loads_none(self, store: TokenStore) -> None:
        """None means that there is no record."""
        assert await store.load("alice") is None

    async def test_loads_what_was_saved(self, store: TokenStore, other: TokenStore) -> None:
        """Every field is unchanged, and the version is the one that `swap` returned."""
        version = await store.swap("alice", a_record(), expected=0)
        for handle in (store, other):
            assert await handle.load("alice") == Versioned(a_record(), version)

    async def test_a_record_without_optional_fields_is_kept(self, store: TokenStore) -> None:
        """Here without scope, expiry and refresh token."""
        bare = replace(
            Record(issuer=_ISSUER, generation=0),
            token=Token(access_token="a", issued_at=0.0),  # noqa: S106  - made up
        )
        version = await store.swap("alice", bare, expected=0)
        assert await store.load("alice") == Versioned(bare, version)

    async def test_a_swap_with_the_current_version_succeeds(self, store: TokenStore, other: TokenStore) -> None:
        """A second handle may replace the record of the first one."""
        first = await store.swap("alice", a_record(1), expected=0)
        second = await other.swap("alice", a_record(2), expected=first)
        assert second
        assert await store.load("alice") == Versioned(a_record(2), second)

    async def test_a_swap_with_an_old_version_fails_and_changes_nothing(
        self, store: TokenStore, other: TokenStore
    ) -> None:
        """It returns 0, and the stored record stays."""
        first = await store.swap("alice", a_record(1), expected=0)
        second = await store.swap("alice", a_record(2), expected=first)
        assert await other.swap("alice", a_record(3), expected=first) == 0
        assert await store.load("alice") == Versioned(a_record(2), second)

    async def test_a_swap_that_expects_nothing_fails_if_there_is_a_record(
        self, store: TokenStore, other: TokenStore
    ) -> None:
        """`expected=0` means that the key has no record."""
        version = await store.swap("alice", a_record(1), expected=0)
        assert await other.swap("alice", a_record(2), expected=0) == 0
        assert await store.load("alice") == Versioned(a_record(1), version)

    async def test_a_swap_that_expects_a_record_fails_if_there_is_none(self, store: TokenStore) -> None:
        """So an emptied store refuses a record that was based on its former content."""
        assert await store.swap("alice", a_record(), expected=123_456_789) == 0
        assert await store.load("alice") is None

    async def test_versions_are_unique_and_fit_63_bits(self, store: TokenStore) -> None:
        """Even the same record saved again gets a new version."""
        versions = [0]
        for _ in range(20):
            versions.append(await store.swap("alice", a_record(), expected=versions[-1]))
        versions.append(await store.swap("bob", a_record(), expected=0))
        assert len(set(versions)) == len(versions)
        assert all(0 < version < 2**63 for version in versions[1:])

    async def test_versions_are_random(self, store: TokenStore) -> None:
        """Then a store restored from a backup never has an expected version by chance."""
        versions = [await store.swap(f"key {number}", a_record(), expected=0) for number in range(8)]
        assert max(versions) > 2**48

    async def test_keys_are_independent(self, store: TokenStore) -> None:
        """Each has its own record and version."""
        alice = await store.swap("alice", a_record(1), expected=0)
        bob = await store.swap("bob", a_record(2), expected=0)
        assert await store.swap("bob", a_record(3), expected=alice) == 0
        assert await store.load("alice") == Versioned(a_record(1), alice)
        assert await store.load("bob") == Versioned(a_record(2), bob)
        assert await store.load("carol") is None

    async def test_any_text_is_a_key(self, store: TokenStore) -> None:
        """Keys are not folded, trimmed, normalised or interpreted as a path or pattern."""
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
        """Bitbucket's have over 2,500 characters; this record has nine pairs of 6,000 each."""
        spares = tuple(a_token(number, size=6_000) for number in range(8))
        record = replace(a_record(size=6_000), spares=spares)
        version = await store.swap("alice", record, expected=0)
        assert await store.load("alice") == Versioned(record, version)

    async def test_unknown_fields_survive(self, store: TokenStore) -> None:
        """A later release's fields are kept, so that neighbouring releases can share a store."""
        record = replace(a_record(), unknown=_LATER)
        await store.swap("alice", record, expected=0)
        found = await store.load("alice")
        assert found is not None
        assert found.record == record
        assert dict(found.record.unknown) == dict(_LATER)

    async def test_a_sign_out_is_kept_as_a_record(self, store: TokenStore) -> None:
        """It is not the same as no record."""
        first = await store.swap("alice", a_record(), expected=0)
        tombstone = Record(issuer=_ISSUER, generation=2, signed_out=True)
        version = await store.swap("alice", tombstone, expected=first)
        assert await store.load("alice") == Versioned(tombstone, version)

    async def test_one_of_many_concurrent_swaps_succeeds(self, store: TokenStore, other: TokenStore) -> None:
        """50 swaps expect the same version: one succeeds, 49 fail, and the store has the successful one's record."""
        for expected in (0, await store.swap("bob", a_record(), expected=0)):
            key = "bob" if expected else "alice"
            swaps = ((store, other)[n % 2].swap(key, a_record(n), expected=expected) for n in range(50))
            versions = await asyncio.gather(*swaps)
            [(number, version)] = [(n, won) for n, won in enumerate(versions) if won]
            assert await store.load(key) == Versioned(a_record(number), version)

    async def test_concurrent_swaps_of_different_keys_all_succeed(self, store: TokenStore, other: TokenStore) -> None:
        """20 keys saved at the same time are all stored."""
        await asyncio.gather(*((store, other)[n % 2].swap(f"key {n}", a_record(n), expected=0) for n in range(20)))
        found = [await store.load(f"key {n}") for n in range(20)]
        assert [one.record.generation for one in found if one] == list(range(20))

    async def test_a_hundred_swaps_in_a_row_all_succeed(self, store: TokenStore, other: TokenStore) -> None:
        """The store then has the hundredth record; the swaps alternate between two handles."""
        version = 0
        for number in range(100):
            version = await (store, other)[number % 2].swap("alice", a_record(number), expected=version)
            assert version
        assert await store.load("alice") == Versioned(a_record(99), version)

    async def test_a_cancelled_swap_leaves_the_old_or_the_new_record_and_blocks_no_one(
        self, store: TokenStore, other: TokenStore
    ) -> None:
        """Wherever it is cancelled, the stored record is complete, and the next swap after a new load succeeds."""
        version = await store.swap("alice", a_record(0), expected=0)
        for steps in range(12):
            swap = asyncio.ensure_future(store.swap("alice", a_record(1_000 + steps), expected=version))
            for _ in range(steps):
                await asyncio.sleep(0)
            swap.cancel()
            await asyncio.wait([swap])
            version = 0
            while not version:  # the cancelled swap may still complete, if its last step can't be cancelled
                found = await other.load("alice")
                assert found is not None
                assert found.record in (a_record(steps), a_record(1_000 + steps))
                version = await other.swap("alice", a_record(steps + 1), expected=found.version)
