"""compact_record: unpack returns the record that was packed."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from bitbucket_auth_async.manager.compact_record import pack, unpack
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Claim, Issuer, Record, new_version
from tests.support.record_values import RECORDS

OURS = Issuer(token_endpoint="https://bitbucket.org/token", client_id="id", grant_type="")
THEIRS = Issuer(token_endpoint="https://bitbucket.org/token", client_id="id", grant_type="authorization_code")
TOKEN = Token(access_token="access", refresh_token="refresh", issued_at=1.0, expires_at=7201.0)
PLAIN = Record(
    issuer=THEIRS,
    generation=1_790_000_000_000,
    token=TOKEN,
    spent=(fingerprint("one"), fingerprint("two")),
    forced=3,
)


def test_a_healthy_record_is_packed_into_few_bytes() -> None:
    memo = pack(Versioned(PLAIN, 2**63 - 1), TOKEN, OURS)
    assert isinstance(memo, bytes)
    assert len(memo) == 18 + 2 * 16 + len("authorization_code")
    assert unpack(memo, TOKEN, OURS) == Versioned(PLAIN, 2**63 - 1)


@given(RECORDS)
def test_unpack_returns_what_was_packed(record: Record) -> None:
    seen = Versioned(record, new_version())
    assert unpack(pack(seen, record.token, record.issuer), record.token, record.issuer) == seen


@pytest.mark.parametrize(
    "change",
    [
        {"claim": Claim(owner="me", host=None, process=None, since=1.0, spends=None)},
        {"spares": (TOKEN,)},
        {"refused": "x"},
        {"signed_out": True},
        {"unknown": {"later": 1}},
        {"issuer": Issuer(token_endpoint="https://other.example", client_id="id", grant_type="authorization_code")},
        {"issuer": Issuer(token_endpoint="https://bitbucket.org/token", client_id="other", grant_type="password")},
        {"spent": ("no fingerprint",)},
        {"spent": (fingerprint("one").upper(),)},
        {"spent": (fingerprint("one")[:-2],)},
        {"generation": 2**64},
        {"generation": -1},
        {"forced": 256},
        {"token": None},
        {"token": Token(access_token="another", issued_at=1.0)},
    ],
    ids=str,
)
def test_an_unusual_record_is_not_packed(change: dict[str, Any]) -> None:
    seen = Versioned(replace(PLAIN, **change), 7)
    assert pack(seen, TOKEN, OURS) is seen
    assert unpack(seen, TOKEN, OURS) is seen


@pytest.mark.parametrize("version", [0, -1, 2**64])
def test_a_version_outside_64_bits_is_not_packed(version: int) -> None:
    seen = Versioned(PLAIN, version)
    assert pack(seen, TOKEN, OURS) is seen


def test_no_record_packs_to_none() -> None:
    assert pack(None, None, OURS) is None
    assert unpack(None, None, OURS) is None
