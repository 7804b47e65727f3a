"""The demo as users run it, stop it and kill it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bitbucket_auth_async.cli.main import main

DEMO = [sys.executable, "-m", "bitbucket_auth_async", "demo"]


def session(leader: int) -> list[int]:
    """List the processes that run in the session of *leader*, itself included."""
    members: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of, *_ = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended in the meantime
        if int(of) == leader and state not in {"Z", "X"}:
            members.append(int(stat.parent.name))
    return members


def session_ends(leader: int) -> bool:
    give_up_at = time.monotonic() + 30
    while session(leader):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)  # they are not our children, so their end has no signal
    return True


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


@contextmanager
def running(temporary: Path) -> Generator[subprocess.Popen[str]]:
    """Run the demo, in a session of its own, until both of its workers have a token."""
    words = [*DEMO, "--callers", "5"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        try:
            assert demo.stdout is not None
            for _ in range(2):
                while "found the sign-in" not in demo.stdout.readline():
                    assert demo.poll() is None
            yield demo
        finally:
            demo.kill()


def figure(name: str, said: str) -> int:
    found = re.search(rf"^{name} +([\d,]+)$", said, re.MULTILINE)
    assert found is not None, said
    return int(found[1].replace(",", ""))


def test_r1_r2_r7_r9_the_demo_survives_rotation_a_kill_and_an_outage(tmp_path: Path) -> None:
    words = [*DEMO, "--seconds", "13", "--callers", "20"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert figure("requests", done.stdout) > 200
    assert figure("requests failed", done.stdout) == 0
    assert figure("token requests", done.stdout) >= 4
    assert figure("of these, during the outage", done.stdout) >= 1
    assert figure("refresh tokens sent twice while the first sender was alive", done.stdout) == 0
    assert figure("repairs after the kill", done.stdout) == 1
    assert figure("sign-ins lost", done.stdout) == 0
    told = iter(done.stdout.splitlines())
    for part in ("was killed (SIGKILL)", "repaired", "is down for 2 s", "meets the outage", "is back", "Passed"):
        assert any(part in line for line in told), f"{part!r} is missing, or not in its place"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["alone", "to the group"])  # Ctrl-C goes to the group
def test_the_demo_ends_cleanly_on_a_signal(
    tmp_path: Path, send: Callable[[int, int], None], end: signal.Signals
) -> None:
    with running(tmp_path) as demo:
        send(demo.pid, end)
        _, errors = demo.communicate(timeout=30)
        assert demo.returncode == 130
        assert errors == ""
        assert list(tmp_path.iterdir()) == []
        assert session(demo.pid) == []


def test_the_workers_end_when_the_demo_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        assert len(session(demo.pid)) == 3
        demo.kill()
        _, errors = demo.communicate(timeout=30)
        assert errors == ""
        assert session_ends(demo.pid)


def test_a_worker_that_ends_unexpectedly_ends_the_demo_and_is_named(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        worker = next(pid for pid in session(demo.pid) if "cli.demo.worker" in command_line(pid))
        os.kill(worker, signal.SIGKILL)
        said, errors = demo.communicate(timeout=20)  # at once, not when the 30 s of the demo are over
        assert demo.returncode == 1
        assert re.search(r"^Failed: process [AB] ended unexpectedly with exit code -9\.$", said, re.MULTILINE)
        assert errors == ""
        assert session(demo.pid) == []


def test_r11_no_secret_is_on_a_command_line(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        lines = [command_line(pid) for pid in session(demo.pid)]
        assert len(lines) == 3
        assert "secret" not in "".join(lines)


@pytest.mark.parametrize(
    "options", [["--seconds", "1"], ["--callers", "0"], ["--seconds", "soon"], ["--seconds", "nan"]]
)
def test_invalid_options_are_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *options]) == 2
    assert f"Invalid value for '{options[0]}'" in capsys.readouterr().err
