"""Record: reads back what it wrote, keeps unknown fields, and refuses other data without showing a value."""

import copy
import json
import secrets
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.record import SCHEMA, Claim, Issuer, Record, Rest, new_version

FOREIGN = "This is not a record of bitbucket-auth-async; it is left as it is."

TEXT = st.text(max_size=20)
SECONDS = st.floats(min_value=0, max_value=1e11)
COUNTS = st.integers(0, 2**63 - 1)
TOKENS = st.builds(
    Token,
    access_token=TEXT,
    refresh_token=st.none() | TEXT,
    issued_at=SECONDS,
    expires_at=st.none() | SECONDS,
    scope=st.none() | st.frozensets(TEXT, max_size=3),
)
CLAIMS = st.builds(
    Claim,
    owner=TEXT,
    host=st.none() | TEXT,
    process=st.none() | TEXT,
    since=SECONDS,
    spends=st.none() | TEXT,
    doubt_since=st.none() | SECONDS,
    lost=st.booleans(),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.builds(
    Record,
    issuer=st.builds(Issuer, token_endpoint=TEXT, client_id=TEXT, grant_type=TEXT),
    generation=COUNTS,
    token=st.none() | TOKENS,
    signed_out=st.booleans(),
    claim=st.none() | CLAIMS,
    spares=st.lists(TOKENS, max_size=2).map(tuple),
    spent=st.lists(TEXT, max_size=2).map(tuple),
    refused=st.none() | TEXT,
    rest=st.none() | st.builds(Rest, since=SECONDS, until=SECONDS, attempts=COUNTS, reason=TEXT),
    forced=COUNTS,
    unknown=st.dictionaries(st.from_regex(r"future_[a-z]{1,5}", fullmatch=True), JSON, max_size=2),
)

TOKEN = Token(access_token="s3cret-a", refresh_token="s3cret-r", issued_at=1.0, expires_at=2.0, scope=frozenset({"s"}))
FULL = Record(
    issuer=Issuer(token_endpoint="https://s3cret", client_id="s3cret", grant_type="s3cret"),
    generation=3,
    token=TOKEN,
    signed_out=True,
    claim=Claim(
        owner="s3cret", host="s3cret", process="s3cret", since=1.0, spends="s3cret", doubt_since=0.5, lost=True
    ),
    spares=(TOKEN,),
    spent=("s3cret",),
    refused="s3cret",
    rest=Rest(since=8.0, until=9.0, attempts=2, reason="s3cret"),
    forced=1,
)


def plain(**changed: object) -> dict[str, Any]:
    return copy.deepcopy(FULL.to_plain()) | changed


def read(data: object) -> Record | RecordError:
    try:
        return Record.from_plain(data)
    except RecordError as error:
        return error


def refused(data: object) -> str:
    with pytest.raises(RecordError) as caught:
        Record.from_plain(data)
    assert not caught.value.retryable
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in f"{caught.value.__context__!r} {caught.value!r}"
    return str(caught.value)


@given(RECORDS)
def test_a_record_is_json_and_reads_back_the_same(record: Record) -> None:
    assert Record.from_plain(json.loads(json.dumps(record.to_plain()))) == record


@given(RECORDS, RECORDS)
def test_two_records_that_differ_are_written_differently(one: Record, other: Record) -> None:
    assert (one == other) == (one.to_plain() == other.to_plain())


def test_fields_of_a_later_release_are_kept() -> None:
    data = plain(future={"deep": [1, None]}, other="x")
    record = Record.from_plain(data)
    assert dict(record.unknown) == {"future": {"deep": [1, None]}, "other": "x"}
    assert record.to_plain() == data
    assert dict(FULL.unknown) == {}


def test_an_unknown_field_never_replaces_a_known_one() -> None:
    record = Record(issuer=FULL.issuer, generation=1, unknown={"generation": 9, "schema": 9, "future": 1})
    assert record.to_plain()["generation"] == 1
    assert record.to_plain()["schema"] == SCHEMA
    assert record.to_plain()["future"] == 1


def test_a_field_named_unknown_is_kept_too() -> None:
    assert dict(Record.from_plain(plain(unknown=5)).unknown) == {"unknown": 5}


def test_a_new_record_is_empty() -> None:
    assert Record(issuer=FULL.issuer, generation=1).to_plain() == {
        "schema": 1,
        "issuer": {"token_endpoint": "https://s3cret", "client_id": "s3cret", "grant_type": "s3cret"},
        "generation": 1,
        "token": None,
        "signed_out": False,
        "claim": None,
        "spares": [],
        "spent": [],
        "refused": None,
        "rest": None,
        "forced": 0,
    }


@pytest.mark.parametrize("schema", [SCHEMA + 1, 10**6, pytest.param(10**5000, id="absurd")])
def test_a_newer_schema_is_refused(schema: int) -> None:
    said = "The record has a schema newer than 1: update bitbucket-auth-async here too."
    assert refused(plain(schema=schema)) == said
    assert refused({"schema": schema}) == said


@pytest.mark.parametrize(
    "data",
    [None, "s3cret", b"s3cret", 5, [], ["schema"], {}, {"refreshToken": "s3cret"}],
)
def test_data_without_a_schema_is_foreign(data: object) -> None:
    assert refused(data) == FOREIGN


@pytest.mark.parametrize("schema", ["s3cret", None, True, 1.0, 0, -1, [1]])
def test_a_schema_that_is_not_a_positive_integer_is_foreign(schema: object) -> None:
    assert refused(plain(schema=schema)) == FOREIGN


@pytest.mark.parametrize("name", sorted(set(FULL.to_plain()) - {"schema"}))
def test_a_record_that_lacks_a_field_is_damaged(name: str) -> None:
    data = plain()
    del data[name]
    assert refused(data) == "The record is damaged (KeyError); it is left as it is."


@pytest.mark.parametrize("part", ["issuer", "token", "claim", "rest"])
def test_a_part_that_lacks_a_field_is_damaged(part: str) -> None:
    for name in plain()[part]:
        data = plain()
        del data[part][name]
        assert refused(data) == "The record is damaged (KeyError); it is left as it is."


def wrong_kinds() -> Iterator[tuple[tuple[str, ...], object]]:
    texts = ["token_endpoint", "client_id", "grant_type"]
    yield from ((("issuer", name), value) for name in texts for value in (None, 5, ["s3cret"]))
    yield from ((("claim", name), 5) for name in ("owner", "host", "process", "spends"))
    yield from ((("claim", name), "s3cret") for name in ("since", "doubt_since", "lost"))
    yield from ((("claim", name), None) for name in ("owner", "since", "lost"))
    yield from ((("rest", name), "s3cret") for name in ("since", "until", "attempts"))
    yield from ((("rest", name), None) for name in ("since", "until", "attempts", "reason"))
    yield from (((name,), value) for name in ("generation", "forced") for value in (None, "s3cret", 1.0, True))
    yield from (((name,), "s3cret") for name in ("issuer", "token", "signed_out", "claim", "spares", "rest"))
    yield from (((name,), value) for name in ("signed_out",) for value in (None, 0, 1))
    yield from (((name,), ["s3cret"]) for name in ("issuer", "token", "claim", "rest", "spares", "refused"))
    yield from ((("spares",), value) for value in (None, 5, {}, {"s3cret": 1}, [None]))
    yield from ((("spent",), value) for value in (None, "s3cret", [5], {"s3cret": 1}))
    yield ("issuer",), None
    yield ("refused",), 5
    yield ("token", "access_token"), None
    yield ("token", "scope"), "s3cret"
    yield ("token", "scope"), [5]


@pytest.mark.parametrize("path, value", list(wrong_kinds()))
def test_a_field_of_the_wrong_type_is_damage(path: tuple[str, ...], value: object) -> None:
    data: Any = plain()
    inner = data
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    assert refused(data) == "The record is damaged (TypeError); it is left as it is."


@pytest.mark.parametrize(
    "path, value",
    [
        (("generation",), -1),
        (("generation",), 2**63),
        (("forced",), -1),
        (("rest", "attempts"), -1),
        (("rest", "until"), float("nan")),
        (("claim", "since"), float("inf")),
        (("claim", "doubt_since"), float("nan")),
        (("claim", "since"), 10**400),
        (("token", "issued_at"), float("nan")),
        (("token", "expires_at"), float("-inf")),
    ],
)
def test_a_number_out_of_range_is_damage(path: tuple[str, ...], value: object) -> None:
    data: Any = plain()
    inner = data
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    assert refused(data) == "The record is damaged (ValueError); it is left as it is."


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(sorted(FULL.to_plain())) | st.text(max_size=5), inner, max_size=4)
        ),
    )
)
def test_any_json_is_read_as_a_record_or_raises_a_record_error(data: object) -> None:
    for candidate in (data, {"schema": 1, "data": data}):
        with pytest.raises(RecordError):
            Record.from_plain(candidate)


@given(st.data())
def test_damage_anywhere_is_a_record_error_or_still_a_record(data: st.DataObject) -> None:
    stored: Any = plain()
    inner, name = stored, data.draw(st.sampled_from(sorted(stored)))
    while isinstance(inner[name], dict) and data.draw(st.booleans()):
        inner = inner[name]
        name = data.draw(st.sampled_from(sorted(inner)))
    inner[name] = data.draw(JSON | st.floats())
    outcome = read(stored)
    if isinstance(outcome, RecordError):
        assert "s3cret" not in f"{outcome} {outcome.__context__!r}"
    else:
        assert Record.from_plain(json.loads(json.dumps(outcome.to_plain()))) == outcome


def test_r11_a_repr_shows_no_token_and_no_unknown_field() -> None:
    record = Record.from_plain(plain(future="s3cret-f"))
    assert "s3cret-a" not in repr(record)
    assert "s3cret-r" not in repr(record)
    assert "s3cret-f" not in repr(record)


def test_a_version_is_63_random_bits_and_never_0() -> None:
    versions = {new_version() for _ in range(1000)}
    assert len(versions) == 1000
    assert all(0 < version < 2**63 for version in versions)
    assert max(versions) >= 2**62


def test_a_version_is_1_if_the_random_bits_are_0(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(bits: int) -> int:
        return 0 * bits

    monkeypatch.setattr(secrets, "randbits", nothing)
    assert new_version() == 1
