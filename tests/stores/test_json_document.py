import pytest

from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores import _json_document
from bitbucket_auth_async.testing.store_contract import a_record

CODEC = JsonCodec()


class Echo:
    """Shows what bytes come back."""

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
def test_a_codecs_bytes_come_back_to_the_last_one(data: bytes) -> None:
    echo = Echo()
    _json_document.find(_json_document.put({}, "alice", data, 7), "alice", echo)
    assert echo.seen == [data]


def test_a_json_object_stands_there_as_it_is_and_all_else_as_base64() -> None:
    assert _json_document.put({}, "alice", b'{"a":1}', 7) == {"alice": {"version": 7, "record": {"a": 1}}}
    assert _json_document.put({}, "alice", b"\xff", 7) == {"alice": {"version": 7, "record": "/w=="}}


def test_to_put_changes_no_mapping_that_others_hold() -> None:
    before = _json_document.put({}, "alice", b"{}", 7)
    after = _json_document.put(before, "alice", b"{}", 8)
    assert (_json_document.version_of(before, "alice"), _json_document.version_of(after, "alice")) == (7, 8)


def test_what_is_not_there_is_none_with_version_0() -> None:
    assert _json_document.find({}, "alice", CODEC) is None
    assert _json_document.version_of({}, "alice") == 0


@pytest.mark.parametrize("version", [None, 0, -1, 2**63, True, 7.0, "7"])
def test_a_version_that_we_cannot_have_given_is_damage(version: object) -> None:
    with pytest.raises(RecordError, match="no version between"):
        _json_document.version_of({"alice": {"version": version, "record": {}}}, "alice")


def test_the_largest_version_is_one() -> None:
    assert _json_document.version_of({"alice": {"version": 2**63 - 1}}, "alice") == 2**63 - 1


def test_an_ancestors_record_has_the_same_version_each_time_and_another_for_another_token() -> None:
    one, again, other = (_json_document.npm_record(token) for token in ("one", "one", "other"))
    assert one == again
    assert one.version != other.version
    assert all(0 < version < 2**63 for version in (one.version, other.version))


def test_an_ancestors_record_survives_a_codec() -> None:
    record, version = _json_document.npm_record("one")
    records = _json_document.put({}, "alice", CODEC.encode("alice", record), version)
    assert _json_document.find(records, "alice", CODEC) == Versioned(record, version)
