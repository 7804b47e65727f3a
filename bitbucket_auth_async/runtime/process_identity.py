"""Who claims: one manager in one process, named so that another process can tell when it is gone."""

import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_MOST_DIGITS = 9
"""Of a process id; Linux gives none above 2**22."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The name that a manager writes into its claims."""

    id: str
    host: str | None
    process: str | None


def this_owner() -> Owner:
    """Return a new name for a manager in this process; take it anew after a fork."""
    host, process = _here(os.getpid())
    return Owner(id=secrets.token_hex(16), host=host, process=process)


def is_gone(host: str | None, process: str | None) -> bool:
    """Return True if the process that a claim names has surely ended.

    That can be told only in the same boot and PID namespace (*host*), where no process has that id and start time.
    """
    if process is None or host is None or host != _host():
        return False
    pid = process.partition("@")[0]
    if not pid.isdecimal() or len(pid) > _MOST_DIGITS:
        return False
    found = _process(int(pid))
    return found != process and not (found is None and _is_hidden(int(pid)))


@lru_cache(maxsize=1)
def _here(pid: int) -> tuple[str | None, str | None]:
    """Read it once: it stays the same as long as the process has its id."""
    return _host(), _process(pid)


def _host() -> str | None:
    """Name this boot and PID namespace, or None where the system doesn't say (only Linux does)."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot_id}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _is_hidden(pid: int) -> bool:
    """Tell whether a process may run of which we are not told: /proc can be mounted with hidepid, as systemd does."""
    try:
        Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True  # it is another user's
        return True
    return False


def _process(pid: int) -> str | None:
    """Name a process by its id and start time, so that a reused id is another process; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold anything; after it, the state is field 3 and the start time field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else f"{pid}@{fields[19]}"
