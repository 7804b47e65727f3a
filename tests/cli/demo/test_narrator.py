"""The sentences of the demo."""

from bitbucket_auth_async.cli.demo.narrator import Narrator
from bitbucket_auth_async.cli.demo.worker_processes import WorkerEvent
from bitbucket_auth_async.telemetry.events import ROUTINE, EventKind


def told(story: Narrator, who: str, kind: str, at: float = 0.0, detail: str = "") -> list[str]:
    return story.tell(WorkerEvent(at, who, kind, detail))


def test_a_process_finds_the_sign_in_first_and_newer_tokens_later() -> None:
    story = Narrator()
    assert told(story, "process A", "adopted") == ["found the sign-in in the file"]
    assert told(story, "process A", "adopted") == ["loaded the newer token from the file"]
    assert told(story, "process B", "adopted") == ["found the sign-in in the file"]
    story.started("process A")
    assert told(story, "process A", "adopted") == ["found the sign-in in the file"]


def test_the_first_token_after_the_kill_is_the_repair() -> None:
    story = Narrator()
    story.killed("process A", 10.0)
    assert len(told(story, "process A", "renewed", 9.9)) == 1  # it was recorded before the kill
    assert story.repaired_after is None
    assert told(story, "process B", "repeated", 10.5) == [
        "found the claim of the killed process A, and repeats its renewal"
    ]
    assert told(story, "process B", "renewed", 10.75)[1] == "repaired 0.75 s after the kill"
    assert story.repaired_after == 0.75
    assert len(told(story, "process B", "renewed", 14.0)) == 1
    assert "killed" not in told(story, "process B", "repeated", 15.0)[0]


def test_a_failed_request_is_told_with_its_reason() -> None:
    assert told(Narrator(), "process A", "failed", detail="the API answered 500") == [
        "a request failed: the API answered 500"
    ]


def test_every_event_except_routine_has_a_sentence() -> None:
    silent = {kind for kind in EventKind if not told(Narrator(), "process A", kind.value, detail="why")}
    assert silent == ROUTINE
