"""The command line in this very process: arguments, environment and input in; exit code, output and errors out.

It takes a hundredth of the time of a process of its own. Signals, terminals, closed streams and anything that Python
reads as it starts need a real one.
"""

import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from bitbucket_auth_async.cli.main import main
from tests.support.programs.consenting_browser import visit

_LOGGER = "bitbucket_auth_async"
_one_at_a_time = threading.Lock()


class RunResult(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str


def run_in_process(words: Sequence[str], *, environ: Mapping[str, str], stdin: bytes, cwd: Path) -> RunResult:
    """Run the command line to its end and leave this process as it was.

    Call it in a thread: the fake Bitbucket answers in the test's event loop meanwhile. An exception that would be a
    traceback on standard error is raised here.
    """
    if not _one_at_a_time.acquire(blocking=False):
        msg = "environment and standard streams belong to the whole process: run two at once in processes of their own"
        raise RuntimeError(msg)
    with ExitStack() as undo:
        undo.callback(_one_at_a_time.release)
        given, out, err = (undo.enter_context(_stream()) for _ in range(3))
        given.buffer.write(stdin)
        given.seek(0)
        undo.callback(time.tzset)  # after the environment is as it was
        undo.enter_context(mock.patch.dict(os.environ, environ, clear=True))
        time.tzset()
        undo.enter_context(chdir(cwd))
        argv = [str(Path(sys.modules[_LOGGER].__path__[0]) / "__main__.py"), *words]
        undo.enter_context(mock.patch.multiple(sys, argv=argv, stdin=given, stdout=out, stderr=err))
        undo.enter_context(mock.patch("keyring.core._keyring_backend", None))  # PYTHON_KEYRING_BACKEND is read again
        undo.enter_context(_logs_to(err))
        undo.enter_context(_browser())
        code = main(list(words))
        return RunResult(int(code), _read(out), _read(err))


def _stream() -> TextIOWrapper:
    """Return a standard stream with a file descriptor of its own, as Python opens it in a locale of UTF-8."""
    return TextIOWrapper(tempfile.TemporaryFile(), encoding="utf-8", errors="surrogateescape", write_through=True)


def _read(stream: TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return bytes(stream.buffer.read()).decode()


@contextmanager
def _logs_to(stderr: TextIOWrapper) -> Generator[None]:
    """Take back the handlers that a run adds; write what a process without handlers would write to standard error."""
    logger, root = logging.getLogger(_LOGGER), logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    last_resort = logging.StreamHandler(stderr)
    last_resort.setLevel(logging.WARNING)
    last_resort.addFilter(lambda record: not record.name.startswith(_LOGGER))  # the command line has a handler for it
    root.addHandler(last_resort)
    try:
        yield
    finally:
        root.removeHandler(last_resort)
        logger.handlers[:] = handlers
        logger.setLevel(level)


@contextmanager
def _browser() -> Generator[None]:
    """Open addresses in the scripted browser, and wait until it has read what it is shown."""
    closed: list[threading.Event] = []

    def open_url(url: str) -> bool:
        closed.append(threading.Event())
        try:
            visit(url)
        finally:
            closed[-1].set()
        return True

    with mock.patch("webbrowser.open", open_url):
        yield
        for event in closed:
            assert event.wait(30)
