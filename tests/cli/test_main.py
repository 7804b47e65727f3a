"""A call of `main` gives the same result as a process, and leaves nothing behind."""

import logging
import os
import sys
import time
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine


@pytest.mark.parametrize(
    "command, code",
    [
        ("token", 0),
        ("status --json", 0),
        ("api GET /user", 0),
        ("api GET /repositories/acme/nothing", 1),
        ("token --profile unknown", 1),
    ],
)
async def test_a_process_and_a_call_give_the_same(cli: CommandLine, command: str, code: int) -> None:
    await cli.sign_in()
    called, process = await cli.run(*command.split()), await cli.run_process(*command.split())
    assert called == process
    assert process.code == code


async def test_a_call_leaves_the_process_as_it_was(cli: CommandLine) -> None:
    def state() -> list[object]:
        logger = logging.getLogger("bitbucket_auth_async")
        streams = (sys.stdin, sys.stdout, sys.stderr, sys.argv)
        return [
            dict(os.environ),
            Path.cwd(),
            time.tzname,
            *streams,
            logger.level,
            *logger.handlers,
            *logging.root.handlers,
        ]

    before = state()
    await cli.login("--verbose")
    assert (await cli.run("status", "--verbose")).code == 0
    assert (await cli.run("nonsense")).code == 2
    assert state() == before
