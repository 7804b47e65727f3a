import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

import bitbucket_auth_async

PRELUDE = """
import asyncio, ctypes, errno, json, os, random, resource, signal, sys, tempfile, time
from pathlib import Path
from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import RecordError, StoreError
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.store_contract import a_record

def warm_up():
    '''Import what is otherwise imported at first use, while all files are still readable.'''
    async def once():
        with tempfile.TemporaryDirectory() as scratch:
            store = FileStore(Path(scratch, "tokens.json"))
            await store.swap("alice", a_record(), expected=0)
            await store.load("alice")
    asyncio.run(once())

async def told(awaitable):
    '''Print the error that must come, and whether it may heal.'''
    try:
        await awaitable
    except StoreError as error:
        print(type(error).__name__, error.retryable, error)
    else:
        sys.exit("no error came")

def mounts_of_our_own():
    '''Enter a mount namespace, where the root of a user namespace may mount.'''
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(0x10020000 if user else 0x20000):  # CLONE_NEWUSER, CLONE_NEWNS
        sys.exit(77)
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    def mount(source, target, kind, flags, data=None):
        arguments = [text and str(text).encode() for text in (source, target, kind)]
        if libc.mount(*arguments, ctypes.c_ulong(flags), data and data.encode()):
            sys.exit(77)
    mount("none", "/", None, 0x44000)  # MS_REC, MS_PRIVATE
    return mount
"""


def _started(code: str, *arguments: str | Path) -> Popen[str]:
    """Start a process that runs *code* after the prelude."""
    root = Path(str(bitbucket_auth_async.__file__)).parents[1]
    return Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
        stdout=PIPE,
        stderr=PIPE,
        text=True,
    )


def _ended(process: Popen[str]) -> str:
    """Return what a process printed, once it has ended without an error."""
    printed, complaints = process.communicate(timeout=60)
    if process.returncode == 77:
        # The table in tests/runtime/test_private_file.py tests the same message without a mount.
        message = "this machine does not allow mounts"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    assert process.returncode == 0, complaints
    return printed


@pytest.fixture
def start() -> Callable[..., Popen[str]]:
    return _started


@pytest.fixture
def ended() -> Callable[[Popen[str]], str]:
    return _ended


@pytest.fixture
def run() -> Callable[..., str]:
    def run(code: str, *arguments: str | Path) -> str:
        return _ended(_started(code, *arguments))

    return run
