"""A fake Bitbucket and the command line beside it."""

import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from tests.support.command_line import Program, program

# What a shell starts in the background ignores Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest_asyncio.fixture
async def cli(tmp_path: Path) -> AsyncGenerator[Program]:
    async with program(tmp_path) as found:
        yield found
