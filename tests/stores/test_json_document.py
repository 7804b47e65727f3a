import pytest

from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores import _json_document
from bitbucket_auth_async.testing.store_contract import a_record

CODEC = JsonCodec()


class Echo:
    """Records the bytes that it gets to decode."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def encode(self, key: str, record: Record, /) -> bytes:
        return CODEC.encode(key, record)

    def decode(self, key: str, data: bytes, /) -> Record:
        self.seen.append(data)
        return a_record()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff",
        b"null",
        b"[1]",
        b'{"a":1}',
        b'{"a": 1}',
        b'{"a":1.50}',
        '{"a":"\u00e9"}'.encode(),
        b'{"b":1,"a":{}}',
        b'{"a":1,"a":2}',
    ],
)
def test_a_codecs_bytes_are_read_back_exactly(data: bytes) -> None:
    echo = Echo()
    _json_document.find(_json_document.put({}, "alice", data, 7), "alice", echo)
    assert echo.seen == [data]


def test_a_json_object_is_stored_readable_and_other_bytes_as_base64() -> None:
    assert _json_document.put({}, "alice", b'{"a":1}', 7) == {"alice": {"version": 7, "record": {"a": 1}}}
    assert _json_document.put({}, "alice", b"\xff", 7) == {"alice": {"version": 7, "record": "/w=="}}


def test_put_does_not_change_the_given_mapping() -> None:
    before = _json_document.put({}, "alice", b"{}", 7)
    after = _json_document.put(before, "alice", b"{}", 8)
    assert (_json_document.version_of(before, "alice"), _json_document.version_of(after, "alice")) == (7, 8)


def test_an_unknown_key_is_none_with_version_0() -> None:
    assert _json_document.find({}, "alice", CODEC) is None
    assert _json_document.version_of({}, "alice") == 0


@pytest.mark.parametrize("version", [None, 0, -1, 2**63, True, 7.0, "7"])
def test_an_invalid_version_means_a_damaged_entry(version: object) -> None:
    with pytest.raises(RecordError, match="no version between"):
        _json_document.version_of({"alice": {"version": version, "record": {}}}, "alice")


def test_the_largest_version_is_valid() -> None:
    assert _json_document.version_of({"alice": {"version": 2**63 - 1}}, "alice") == 2**63 - 1


def test_an_npm_record_has_one_version_for_each_token() -> None:
    one, again, other = (_json_document.npm_record(token) for token in ("one", "one", "other"))
    assert one == again
    assert one.version != other.version
    assert all(0 < version < 2**63 for version in (one.version, other.version))


def test_an_npm_record_survives_a_codec() -> None:
    record, version = _json_document.npm_record("one")
    records = _json_document.put({}, "alice", CODEC.encode("alice", record), version)
    assert _json_document.find(records, "alice", CODEC) == Versioned(record, version)
