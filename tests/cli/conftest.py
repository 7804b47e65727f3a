"""A fake Bitbucket and the command line beside it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from tests.program import Program, program


@pytest_asyncio.fixture
async def cli(tmp_path: Path) -> AsyncGenerator[Program]:
    async with program(tmp_path) as found:
        yield found
