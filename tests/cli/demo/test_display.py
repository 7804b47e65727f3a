"""The demo shows a live picture on a terminal with rich, and plain lines elsewhere."""

import io
import re
import sys
from dataclasses import replace

import pytest

from bitbucket_auth_async.cli.demo.display import Display, Snapshot
from bitbucket_auth_async.cli.demo.results import Results

RESULTS = Results(
    requests=1100, failed=0, token_requests=5, token_requests_in_outage=1, spent_twice=0, repairs=1, lost_sign_ins=0
)
SNAPSHOT = Snapshot(
    elapsed=3.0,
    seconds=30.0,
    workers=[("process A", "killed", 600, 0), ("process B", "running", 500, 2)],
    endpoint="down",
    results=RESULTS,
)


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def play() -> None:
    display = Display("One sign-in")
    with display.shown():
        display.print_event("process A", "starts", at=0.0)
        display.update(SNAPSHOT)
        display.print_event("process B", "starts")
    display.conclude(RESULTS)


def play_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the output on a terminal; in a fixture, pytest would replace standard output afterwards."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    play()
    return terminal.getvalue()


def test_without_a_terminal_the_output_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    play()
    said = capsys.readouterr().out
    assert "  0.0 s  process A  starts\n" in said
    assert "Passed: the sign-in survived the kill and the outage." in said
    assert "\x1b" not in said


def test_on_a_terminal_events_stay_above_the_live_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    said = play_on_a_terminal(monkeypatch)
    assert "One sign-in" in said
    assert "endpoint" in said
    assert "\x1b[" in said
    assert said.count("starts") == 2
    assert said.rindex("starts") < said.rindex("endpoint")  # the picture stands below
    assert "Passed: the sign-in survived the kill and the outage." in said.rstrip().splitlines()[-1]


def test_without_rich_a_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.live", None)
    said = play_on_a_terminal(monkeypatch)
    assert "  0.0 s  process A  starts\n" in said
    assert "\x1b" not in said


def test_plain_lines_include_a_summary_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display("One sign-in")
    display.started_at -= 5.0
    display.update(SNAPSHOT)
    display.update(SNAPSHOT)
    assert re.fullmatch(r"  5\.\d s  demo       1,100 requests so far, none failed\n", capsys.readouterr().out)


def test_a_failure_is_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    Display("One sign-in").conclude(replace(RESULTS, lost_sign_ins=1))
    assert capsys.readouterr().out.endswith("Failed: the sign-in was lost.\n")
