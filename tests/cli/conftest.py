"""A fake Bitbucket, and the command line configured for it."""

import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from tests.support.command_line import CommandLine, command_line

# A shell makes background jobs ignore Ctrl-C, and the tests' processes would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest_asyncio.fixture
async def cli(tmp_path: Path) -> AsyncGenerator[CommandLine]:
    async with command_line(tmp_path) as found:
        yield found
