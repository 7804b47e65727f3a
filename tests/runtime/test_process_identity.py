"""Owner: lets another process on this machine notice that the owner's process has ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bitbucket_auth_async.runtime import process_identity
from bitbucket_auth_async.runtime.process_identity import Owner, is_gone, new_owner

LINUX = sys.platform == "linux"


def gone(owner: Owner) -> bool:
    return is_gone(owner.host, owner.process)


def test_each_manager_has_its_own_owner_id() -> None:
    names = {new_owner().id for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) == 32 for name in names)


def test_two_owners_in_one_process_name_the_same_process() -> None:
    one, other = new_owner(), new_owner()
    assert (one.host, one.process) == (other.host, other.process)


@pytest.mark.skipif(not LINUX, reason="only Linux tells its boot id")
def test_on_linux_an_owner_names_pid_start_time_boot_and_namespace() -> None:
    me = new_owner()
    assert (me.process or "").partition("@")[0] == str(os.getpid())
    assert (me.process or "").partition("@")[2].isdecimal()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert (me.host or "").startswith(f"{boot_id}/pid:[")


def test_a_running_process_is_not_gone() -> None:
    assert not gone(new_owner())


def _child() -> tuple["subprocess.Popen[str]", Owner]:
    """Return a running process, and the owner of a manager in it."""
    imported = "from bitbucket_auth_async.runtime.process_identity import new_owner"
    program = f"{imported}; print(new_owner().process, flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True)
    assert child.stdout is not None
    return child, new_owner()._replace(process=child.stdout.readline().strip())


@pytest.mark.skipif(not LINUX, reason="only Linux tells")
def test_r9_a_killed_process_is_gone_before_and_after_its_parent_reaps_it() -> None:
    child, theirs = _child()
    with child:
        assert not gone(theirs)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still a zombie
        assert gone(theirs)
    assert gone(theirs)


@pytest.mark.skipif(not LINUX, reason="only Linux tells")
def test_r9_another_process_with_the_same_pid_is_not_the_owner() -> None:
    me = new_owner()
    assert gone(me._replace(process=f"{os.getpid()}@1"))


@pytest.mark.skipif(not LINUX, reason="only Linux tells")
@pytest.mark.parametrize("hidden", [PermissionError, FileNotFoundError], ids=["hidepid=1", "hidepid=2"])
def test_r1_a_hidden_process_of_another_user_is_not_gone(
    hidden: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    child, theirs = _child()
    pid, signals, kill = child.pid, list[int](), os.kill

    def show(path: Path) -> bytes:
        if path == Path(f"/proc/{pid}/stat"):
            raise hidden(path)
        with path.open("rb") as file:
            return file.read()

    def show_text(path: Path, **_: str) -> str:
        return show(path).decode()

    def ask(pid: int, signal: int) -> None:
        signals.append(signal)
        kill(pid, signal)  # root may; another user gets a PermissionError
        raise PermissionError

    with child:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_bytes", show)
            patched.setattr(Path, "read_text", show_text)
            patched.setattr(os, "kill", ask)
            assert not gone(theirs)
            patched.setattr(os, "kill", kill)
            assert not gone(theirs)
        child.kill()
    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", ask)
        assert gone(theirs)
    assert set(signals) == {0}


@pytest.mark.parametrize(
    "host,process",
    [
        (None, "1@1"),
        ("another boot/pid:[1]", "1@1"),
        ("here", None),
        (None, None),
        ("here", "a later release's way"),
        ("here", "9" * 5000 + "@1"),
    ],
)
def test_r1_an_unknown_process_is_not_gone(host: str | None, process: str | None) -> None:
    here = new_owner()
    named = here._replace(host=here.host if host == "here" else host, process=process)
    assert not gone(named)


def test_r1_without_proc_no_process_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> str:
        raise FileNotFoundError(self)

    before = new_owner()
    monkeypatch.setattr(Path, "read_text", refuse)
    process_identity._this_process.cache_clear()
    try:
        assert (new_owner().host, new_owner().process) == (None, None)
        assert not gone(new_owner())
        assert not gone(before)
    finally:
        process_identity._this_process.cache_clear()


def test_proc_is_read_once_in_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    here = new_owner()
    monkeypatch.setattr(process_identity, "_host", lambda: "another")
    assert new_owner().host == here.host
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as after a fork
    assert new_owner().host == "another"
    process_identity._this_process.cache_clear()


def _told(monkeypatch: pytest.MonkeyPatch, name: str, state: str) -> str | None:
    """Return the identity of a process with this /proc entry."""
    fields = " ".join([state, *(str(number) for number in range(4, 22)), "777", "23", "24"])

    def tell(self: Path, **_: object) -> str:
        assert self == Path("/proc/42/stat")
        return f"42 ({name}) {fields}\n"

    monkeypatch.setattr(Path, "read_text", tell)
    return process_identity._process(42)


@pytest.mark.parametrize("name", ["sh", "a b", "a) R 1 (", "(("])
def test_the_start_time_is_read_with_any_process_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert _told(monkeypatch, name, "S") == "42@777"


@pytest.mark.parametrize("state", ["R", "S", "D", "T"])
def test_r1_a_sleeping_or_stopped_process_is_not_gone(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    assert _told(monkeypatch, "sh", state) == "42@777"


@pytest.mark.parametrize("state", ["Z", "X"])
def test_r9_a_zombie_process_is_gone(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    assert _told(monkeypatch, "sh", state) is None
