"""Run the command line in a pseudo-terminal, and read its output."""

import asyncio
import fcntl
import os
import pty
import sys
import termios
from typing import IO

import pytest

from tests.support.command_line import CommandLine


async def start_in_terminal(
    cli: CommandLine, *words: str, stdout: IO[bytes] | None = None
) -> tuple[asyncio.subprocess.Process, int, int]:
    """Start it in a pseudo-terminal; return the process, our end of the terminal and its end."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bitbucket_auth_async", *words),
        env={**cli.environ, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    cli.started.append(process)
    return process, ours, theirs


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def _readable(terminal: int) -> None:
    """Wait until the terminal has output."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(terminal, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(terminal)


async def read_until(terminal: int, text: str) -> str:
    """Read the output of a terminal up to this text."""
    output = ""
    try:
        async with asyncio.timeout(30):
            while text not in output:
                await _readable(terminal)  # a thread could not be stopped if there is no more output
                output += os.read(terminal, 4096).decode("utf-8", "replace")
    except TimeoutError:
        pytest.fail(f"{text!r} did not appear in {output!r}")
    return output


def echoes(terminal: int) -> bool:
    flags: int = termios.tcgetattr(terminal)[3]
    return bool(flags & termios.ECHO)
