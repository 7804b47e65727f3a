"""Where the demo shows a live picture, and where plain lines."""

import io
import re
import sys
from dataclasses import replace

import pytest

from bitbucket_auth_async.cli.demo.display import Display, Scene
from bitbucket_auth_async.cli.demo.figures import Figures

FIGURES = Figures(made=1100, failed=0, token_requests=5, met_outage=1, spent_twice=0, repairs=1, lost=0)
SCENE = Scene(
    elapsed=3.0,
    seconds=30.0,
    workers=[("process A", "killed", 600, 0), ("process B", "running", 500, 2)],
    endpoint="down",
    figures=FIGURES,
)


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def played() -> None:
    display = Display("One sign-in")
    with display.shown():
        display.say("process A", "starts", at=0.0)
        display.show(SCENE)
        display.say("process B", "starts")
    display.conclude(FIGURES)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is shown there; a fixture can't do this, since pytest sets its own output after it."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    played()
    return terminal.getvalue()


def test_without_a_terminal_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    played()
    said = capsys.readouterr().out
    assert "  0.0 s  process A  starts\n" in said
    assert "All as it should be." in said
    assert "\x1b" not in said


def test_on_a_terminal_there_is_a_live_picture_and_events_stay_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = on_a_terminal(monkeypatch)
    assert "One sign-in" in said
    assert "endpoint" in said
    assert "\x1b[" in said
    assert said.count("starts") == 2
    assert said.rindex("starts") < said.rindex("endpoint")  # the picture stands below
    assert "All as it should be." in said.rstrip().splitlines()[-1]


def test_without_rich_there_are_plain_lines_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.live", None)
    said = on_a_terminal(monkeypatch)
    assert "  0.0 s  process A  starts\n" in said
    assert "\x1b" not in said


def test_plain_lines_tell_now_and_then_how_far_things_are(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display("One sign-in")
    display.began -= 5.0
    display.show(SCENE)
    display.show(SCENE)
    assert re.fullmatch(r"  5\.\d s  demo       1,100 requests so far, none failed\n", capsys.readouterr().out)


def test_what_went_wrong_is_the_last_word(capsys: pytest.CaptureFixture[str]) -> None:
    Display("One sign-in").conclude(replace(FIGURES, lost=1))
    assert capsys.readouterr().out.endswith("Not as it should be: the sign-in was lost.\n")
