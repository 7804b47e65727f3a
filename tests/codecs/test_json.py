import json
from dataclasses import replace
from typing import Any

import pytest

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.testing.store_contract import a_record, a_token

CODEC = JsonCodec()
PLAIN = a_record().to_plain()


def test_a_record_is_read_back_unchanged() -> None:
    assert CODEC.decode("alice", CODEC.encode("alice", a_record())) == a_record()


def test_the_bytes_are_compact_json_that_any_tool_reads() -> None:
    data = CODEC.encode("alice", a_record())
    assert json.loads(data) == PLAIN
    assert data.isascii()
    assert b": " not in data
    assert b", " not in data


def test_half_a_surrogate_pair_in_an_unknown_field_survives() -> None:
    record = replace(a_record(), unknown={"later": "\ud800"})
    assert CODEC.decode("alice", CODEC.encode("alice", record)) == record


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", object()])
def test_a_value_that_json_cannot_hold_is_refused_and_not_shown(value: object) -> None:
    record = replace(a_record(), unknown={"later": ["hunter2", value]})
    with pytest.raises(RecordError, match="JSON can't hold this") as caught:
        CODEC.encode("alice", record)
    assert "hunter2" not in whole(caught.value)


def test_json_nested_too_deeply_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecordError, match="RecursionError"):
        CODEC.encode("alice", replace(a_record(), unknown={"later": deep}))


def with_field(name: str, value: str) -> bytes:
    """Replace a field of a valid record by *value*, raw JSON."""
    fields = {**{key: json.dumps(field) for key, field in PLAIN.items()}, name: value}
    return ("{" + ",".join(f'"{key}":{field}' for key, field in fields.items()) + "}").encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hunter2", id="no JSON"),
        pytest.param(b'"hunter2"', id="text"),
        pytest.param(b'["hunter2"]', id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"17", id="a number"),
        pytest.param(b'{"hunter2": 1}', id="another object"),
        pytest.param(CODEC.encode("alice", a_record())[:-1], id="cut off"),
        pytest.param(CODEC.encode("alice", a_record()) + b"hunter2", id="something behind it"),
        pytest.param(b"\xef\xbb\xbf" + CODEC.encode("alice", a_record()), id="a byte order mark"),
        pytest.param(CODEC.encode("alice", a_record()).decode().encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"hunter2": "\xff"}', id="no UTF-8"),
        pytest.param(with_field("forced", "NaN"), id="NaN"),
        pytest.param(with_field("later", "NaN"), id="NaN in an unknown field"),
        pytest.param(with_field("later", "-Infinity"), id="infinity"),
        pytest.param(with_field("later", "1e999"), id="a number out of range"),
        pytest.param(with_field("later", "1" * 5_000), id="a number of 5,000 digits"),
        pytest.param(with_field("later", '{"a": 1, "a": 2}'), id="a name twice"),
        pytest.param(with_field('schema":1,"schema', "1"), id="a field twice"),
        pytest.param(with_field("later", "[" * 100_000 + "]" * 100_000), id="deep nesting"),
        pytest.param(with_field("schema", "2"), id="a newer schema"),
        pytest.param(with_field("schema", '"1"'), id="a schema that is text"),
        pytest.param(with_field("token", '"hunter2"'), id="a token that is text"),
        pytest.param(with_field("token", '{"access_token": "hunter2"}'), id="half a token"),
        pytest.param(with_field("spares", "17"), id="spares that are a number"),
        pytest.param(with_field("spares", '["hunter2"]'), id="spares that are text"),
        pytest.param(with_field("generation", '"hunter2"'), id="a generation that is text"),
        pytest.param(with_field("generation", "true"), id="a generation that is a truth"),
        pytest.param(with_field("issuer", "null"), id="no issuer"),
        pytest.param(with_field("claim", "[]"), id="a claim that is a list"),
        pytest.param(with_field("rest", '{"until": "hunter2"}'), id="half a rest"),
        pytest.param(
            with_field("token", json.dumps({**a_token().to_plain(), "issued_at": 10**400})), id="a time out of range"
        ),
    ],
)
def test_other_bytes_are_refused_and_not_shown(data: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        CODEC.decode("alice", data)
    assert not caught.value.retryable
    shown = whole(caught.value)
    assert "hunter2" not in shown
    assert "access-1-" not in shown


def test_an_encrypted_record_is_refused_with_the_way_to_decrypt_it() -> None:
    sealed = EncryptedCodec([EncryptionKey.new()]).encode("alice", a_record())
    with pytest.raises(RecordError, match=r"encrypted; .*codec=EncryptedCodec\(keys\)"):
        CODEC.decode("alice", sealed)


def test_the_error_keeps_no_part_of_the_bytes() -> None:
    with pytest.raises(RecordError) as caught:
        CODEC.decode("alice", b'{"access_token": "hunter2"')
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_a_token_of_six_kilobytes_in_each_field_fits() -> None:
    record = replace(a_record(), token=a_token(size=6_000), spares=(a_token(size=6_000),) * 8)
    assert CODEC.decode("alice", CODEC.encode("alice", record)) == record


def test_a_token_without_expiry_and_scope_is_read_back_without_them() -> None:
    record = replace(a_record(), token=Token(access_token="a", issued_at=1.5))
    assert CODEC.decode("alice", CODEC.encode("alice", record)) == record


def whole(error: BaseException | None) -> str:
    """Return everything that a log could show of an error, without source lines."""
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error.args)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts)
