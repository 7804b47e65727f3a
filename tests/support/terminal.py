"""A terminal of its own for a program, and what is seen on it."""

import asyncio
import fcntl
import os
import pty
import sys
import termios
from typing import IO

import pytest

from tests.support.command_line import Program


async def at_a_terminal(
    cli: Program, *words: str, stdout: IO[bytes] | None = None
) -> tuple[asyncio.subprocess.Process, int, int]:
    """Start it at a terminal of its own; return also both ends of that."""
    mine, its = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bitbucket_auth_async", *words),
        env={**cli.environ, "TERM": "xterm-256color"},
        stdin=its,
        stdout=its if stdout is None else stdout,
        stderr=its,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    cli.started.append(process)
    return process, mine, its


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def _readable(terminal: int) -> None:
    """Wait until there is something to read."""
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(terminal, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(terminal)


async def read_until(terminal: int, text: str) -> str:
    """Read from a terminal up to this text."""
    said = ""
    try:
        async with asyncio.timeout(30):
            while text not in said:
                await _readable(terminal)  # a thread that reads could not be stopped where nothing comes
                said += os.read(terminal, 4096).decode("utf-8", "replace")
    except TimeoutError:
        pytest.fail(f"{text!r} did not come; there is {said!r}")
    return said


def echoes(terminal: int) -> bool:
    flags: int = termios.tcgetattr(terminal)[3]
    return bool(flags & termios.ECHO)
