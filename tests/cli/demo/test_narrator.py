"""What the demo says of what happened."""

from bitbucket_auth_async.cli.demo.story import Story
from bitbucket_auth_async.cli.demo.workers import News
from bitbucket_auth_async.telemetry.events import ROUTINE, EventKind


def told(story: Story, who: str, kind: str, at: float = 0.0, detail: str = "") -> list[str]:
    return story.tell(News(at, who, kind, detail))


def test_a_process_finds_the_sign_in_and_then_takes_over_newer_tokens() -> None:
    story = Story()
    assert told(story, "process A", "adopted") == ["found the sign-in in the file"]
    assert told(story, "process A", "adopted") == ["took over the newer token from the file"]
    assert told(story, "process B", "adopted") == ["found the sign-in in the file"]
    story.started("process A")
    assert told(story, "process A", "adopted") == ["found the sign-in in the file"]


def test_the_first_token_after_the_kill_is_the_repair_and_its_time_is_told() -> None:
    story = Story()
    story.killed("process A", 10.0)
    assert len(told(story, "process A", "renewed", 9.9)) == 1  # it had been written down before
    assert story.repaired_after is None
    assert told(story, "process B", "repeated", 10.5) == [
        "found the claim that process A left behind, and repeats its renewal"
    ]
    assert told(story, "process B", "renewed", 10.75)[1] == "repaired 0.75 s after the kill"
    assert story.repaired_after == 0.75
    assert len(told(story, "process B", "renewed", 14.0)) == 1
    assert "killed" not in told(story, "process B", "repeated", 15.0)[0]


def test_a_failed_request_is_told_with_its_reason() -> None:
    assert told(Story(), "process A", "failed", detail="the API answered 500") == [
        "a request failed: the API answered 500"
    ]


def test_every_event_is_told_but_what_happens_when_all_is_well() -> None:
    silent = {kind for kind in EventKind if not told(Story(), "process A", kind.value, detail="why")}
    assert silent == ROUTINE
