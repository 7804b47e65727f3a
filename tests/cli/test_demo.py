"""The demo as a person runs it, and what it takes for wrong."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bitbucket_auth_async.cli.demo import Figures

GOOD = Figures(made=100, failed=0, token_requests=5, spent_twice=0, repairs=1, lost=0)
DEMO = [sys.executable, "-m", "bitbucket_auth_async.cli.demo"]


def test_r1_r2_r7_r9_the_demo_survives_rotation_a_kill_and_an_outage(tmp_path: Path) -> None:
    words = [*DEMO, "--seconds", "13", "--callers", "20"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was killed (SIGKILL) between spending and saving" in done.stdout
    assert re.search(r"^requests failed +0$", done.stdout, re.MULTILINE)
    assert re.search(r"^repairs after the kill +1$", done.stdout, re.MULTILINE)
    assert re.search(r"^refresh tokens spent twice while their first holder lived +0$", done.stdout, re.MULTILINE)
    assert "outage" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_the_demo_ends_cleanly_when_it_is_told_to(tmp_path: Path, end: signal.Signals) -> None:
    words = [*DEMO, "--callers", "5"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        while "process B" not in demo.stdout.readline():
            pass
        demo.send_signal(end)
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert errors == ""
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):  # nobody of its session is left
        os.killpg(demo.pid, 0)


@pytest.mark.parametrize(
    "figures",
    [
        replace(GOOD, made=0),
        replace(GOOD, failed=1),
        replace(GOOD, spent_twice=1),
        replace(GOOD, repairs=0),
        replace(GOOD, repairs=2),
        replace(GOOD, lost=1),
    ],
)
def test_any_bad_figure_is_a_problem(figures: Figures) -> None:
    assert len(figures.problems()) == 1


def test_good_figures_are_no_problem() -> None:
    assert GOOD.problems() == []


@pytest.mark.parametrize("options", [["--seconds", "1"], ["--callers", "0"], ["--seconds", "soon"]])
def test_bad_options_are_refused_with_a_word(options: list[str]) -> None:
    done = subprocess.run([*DEMO, *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--seconds" in done.stderr
