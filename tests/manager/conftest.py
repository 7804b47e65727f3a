"""A world for each test, with Bitbucket's grace or with a strict server."""

import pytest

from tests.support.manager_world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def strict_world() -> World:
    return World(strict=True)
