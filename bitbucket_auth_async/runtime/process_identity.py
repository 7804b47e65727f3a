"""Owner: names a manager and its process, so that other processes notice when the process has ended."""

import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_MAX_PID_DIGITS = 9
"""Linux process ids go up to 2**22."""


class Owner(NamedTuple):
    """The name that a manager writes into its claims."""

    id: str
    host: str | None
    process: str | None


def new_owner() -> Owner:
    """Return a new owner in this process; a forked process needs another one."""
    host, process = _this_process(os.getpid())
    return Owner(id=secrets.token_hex(16), host=host, process=process)


def is_gone(host: str | None, process: str | None) -> bool:
    """Return True if the process of a claim has certainly ended.

    That is known only for the same boot and PID namespace (*host*), if no process has that id and start time.
    """
    if process is None or host is None or host != _host():
        return False
    pid = process.partition("@")[0]
    if not pid.isdecimal() or len(pid) > _MAX_PID_DIGITS:
        return False
    found = _process(int(pid))
    return found != process and not (found is None and _is_hidden(int(pid)))


@lru_cache(maxsize=1)
def _this_process(pid: int) -> tuple[str | None, str | None]:
    """Return host and process, which stay the same while the process has its id."""
    return _host(), _process(pid)


def _host() -> str | None:
    """Return the boot id and PID namespace; None except on Linux."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot_id}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _is_hidden(pid: int) -> bool:
    """Return True if the process may run but /proc hides it, as systemd's hidepid option does."""
    try:
        Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True  # it belongs to another user
        return True
    return False


def _process(pid: int) -> str | None:
    """Return a process's id and start time, so that a reused id is another process; None if it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may contain anything; after it, the state is field 3 and the start time field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else f"{pid}@{fields[19]}"
