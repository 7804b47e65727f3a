from collections.abc import Iterator

import pytest

from benchmarks.peers.world import World, fakes, opened


@pytest.fixture(scope="module")
def control() -> Iterator[int]:
    with fakes() as port:
        yield port


@pytest.fixture
def lenient(control: int) -> Iterator[World]:
    with opened(control, latency=0) as world:
        yield world


@pytest.fixture
def strict(control: int) -> Iterator[World]:
    with opened(control, strict=True, latency=0) as world:
        yield world
