import contextlib
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.transports._content_decoding import UndecodableError, decoded

LIMIT = 1000


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_a_body_without_coding_is_unchanged(coding: str) -> None:
    assert decoded(b"plain", coding, limit=3) == b"plain"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_an_empty_body_needs_no_decoding(coding: str) -> None:
    assert decoded(b"", coding, limit=LIMIT) == b""


@pytest.mark.parametrize(
    "coding, packed",
    [
        ("gzip", gzip.compress(b"packed", mtime=0)),
        (" GZip", gzip.compress(b"packed", mtime=0)),
        ("x-gzip", gzip.compress(b"packed", mtime=0)),
        ("deflate", zlib.compress(b"packed")),
        ("deflate", raw_deflate(b"packed")),
    ],
)
def test_it_decodes_the_coding_of_the_header(coding: str, packed: bytes) -> None:
    assert decoded(packed, coding, limit=6) == b"packed"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_another_coding_is_refused(coding: str) -> None:
    with pytest.raises(UndecodableError, match="is not supported"):
        decoded(b"whatever", coding, limit=LIMIT)


def test_more_than_the_limit_is_refused() -> None:
    assert decoded(gzip.compress(bytes(LIMIT)), "gzip", limit=LIMIT) == bytes(LIMIT)
    with pytest.raises(UndecodableError, match="longer than 1000 bytes"):
        decoded(gzip.compress(bytes(LIMIT + 1)), "gzip", limit=LIMIT)


def test_a_bomb_is_not_inflated_past_the_limit() -> None:
    bomb = gzip.compress(bytes(2**26))
    tracemalloc.start()
    try:
        with pytest.raises(UndecodableError):
            decoded(bomb, "gzip", limit=LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_truncated_body_is_refused() -> None:
    with pytest.raises(UndecodableError, match="truncated"):
        decoded(gzip.compress(b"packed" * 50)[:-9], "gzip", limit=LIMIT)


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=200))
def test_garbage_is_refused_without_another_error(coding: str, garbage: bytes) -> None:
    with contextlib.suppress(UndecodableError):
        assert len(decoded(garbage, coding, limit=LIMIT)) <= LIMIT
