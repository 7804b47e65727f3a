"""The findings of the doctor, and how to fix each problem."""

import sys
from pathlib import Path

import pytest

from bitbucket_auth_async.cli.doctor import local_checks
from bitbucket_auth_async.cli.doctor.network_checks import _check_clock
from tests.support.command_line import CommandLine, RunResult
from tests.support.keyrings import MemoryKeyring


def found(done: RunResult) -> dict[str, tuple[str, str]]:
    """Return verdict and text of each finding."""
    rows = (line.split(maxsplit=2) for line in done.out.splitlines())
    return {about: (verdict, text) for about, verdict, text in rows}


async def test_every_check_passes_after_login_and_git_setup(cli: CommandLine) -> None:
    await cli.login()
    await cli.run("git-setup")
    done = await cli.run("doctor")
    assert done.code == 0, done
    assert {about: verdict for about, (verdict, _) in found(done).items()} == dict.fromkeys(
        ("profile", "files", "network", "clock", "store", "consumer", "callback", "git"), "ok"
    )
    assert str(cli.fake.client.client_secret) not in done.out


async def test_each_problem_comes_with_its_fix(cli: CommandLine) -> None:
    await cli.sign_in()
    registration = cli.fake.registration()
    registration.callback = "http://127.0.0.1:1/other"
    cli.tokens.chmod(0o644)
    environ = {"BITBUCKET_CLIENT_SECRET": "wrong"}
    done = await cli.run("doctor", environ=environ)
    assert done.code == 1
    said = found(done)
    assert said["files"] == ("error", f"Other users can read or change them. Run: chmod 600 {cli.tokens}")
    assert said["consumer"][0] == "error"
    assert "Key and Secret" in said["consumer"][1]
    assert said["callback"][0] == "error"
    assert cli.callback in said["callback"][1]
    assert said["git"] == ("warning", "Git does not ask this program. If it should, run: bitbucket-auth git-setup")
    assert "3 of 8 checks failed." in done.err


async def test_a_consumer_that_is_not_private_is_ok_for_users(cli: CommandLine) -> None:
    await cli.sign_in()
    cli.fake.registration().private = False
    verdict, text = found(await cli.run("doctor"))["consumer"]
    assert verdict == "ok"
    assert "not private" in text


async def test_without_a_profile_the_other_checks_still_run(cli: CommandLine) -> None:
    done = await cli.run("doctor", environ={"https_proxy": "http://127.0.0.1:1"})
    assert done.code == 1
    assert found(done)["profile"][1].endswith("Run: bitbucket-auth login")
    assert "network" in found(done)


async def test_a_damaged_store_is_an_error_and_stays_unchanged(cli: CommandLine) -> None:
    await cli.sign_in()
    cli.tokens.write_text("{")
    done = await cli.run("doctor")
    assert found(done)["store"][0] == "error"
    assert cli.tokens.read_text() == "{"


async def test_a_missing_git_is_a_warning_and_stops_its_setup(cli: CommandLine, tmp_path: Path) -> None:
    await cli.sign_in()
    environ = {"PATH": str(tmp_path)}
    assert found(await cli.run("doctor", environ=environ))["git"][0] == "warning"
    setup = await cli.run("git-setup", environ=environ)
    assert (setup.code, setup.err) == (1, "Git is not installed, or not on the PATH.\n")


async def test_a_missing_helper_program_is_an_error(cli: CommandLine, tmp_path: Path) -> None:
    await cli.sign_in()
    gone = tmp_path / "bitbucket-auth"
    gone.symlink_to(Path(sys.executable).parent / "bitbucket-auth")
    assert (await cli.run_process("git-setup", command=(str(gone),))).code == 0
    gone.unlink()
    verdict, text = found(await cli.run("doctor"))["git"]
    assert verdict == "error"
    assert str(gone) in text


@pytest.mark.parametrize(
    "ours, verdict, text",
    [
        (0.0, "ok", "agrees"),
        (20.0, "ok", "agrees"),
        (3600.0, "error", "1 h ahead of"),
        (-3600.0, "error", "1 h behind"),
    ],
)
def test_a_wrong_clock_is_an_error(ours: float, verdict: str, text: str) -> None:
    finding = _check_clock("Tue, 24 Nov 2026 12:00:00 GMT", 1_795_521_600.0 + ours)
    assert finding.verdict == verdict
    assert text in finding.text


@pytest.mark.parametrize("date", [None, "", "nonsense"])
def test_an_answer_without_a_date_is_a_warning(date: str | None) -> None:
    assert _check_clock(date, 0.0).verdict == "warning"


class NarrowRing(MemoryKeyring):
    """A keyring with a limit on the length of its entries."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.longest = longest

    def put(self, service: str, username: str, password: str) -> None:
        if len(password) > self.longest:
            raise OSError
        self.entries[service.lower(), username.lower()] = password


@pytest.mark.parametrize(
    "longest, verdict, text", [(99_999, "ok", "16000"), (2_000, "ok", "1200"), (10, "error", "1200")]
)
async def test_the_keyring_check_tries_how_long_an_entry_may_be(
    monkeypatch: pytest.MonkeyPatch, longest: int, verdict: str, text: str
) -> None:
    import keyring  # noqa: PLC0415 - an extra

    ring = NarrowRing(longest)
    before = keyring.get_keyring()
    keyring.set_keyring(ring)
    try:
        finding = await local_checks.check_keyring()
    finally:
        keyring.set_keyring(before)
    assert (finding.verdict, text in finding.text) == (verdict, True)
    assert ring.entries == {}  # nothing is left behind


async def test_advice_names_the_profile(cli: CommandLine) -> None:
    await cli.sign_in("work")
    missing = await cli.run("token", "--profile", "play")
    assert missing.err.strip().endswith("known: work. To create it: bitbucket-auth login --profile play")
    verdict, text = found(await cli.run("doctor", "--profile", "play"))["profile"]
    assert (verdict, text.count("Run:")) == ("error", 0)
    await cli.run("logout", "--profile", "work")
    assert (
        (await cli.run("token", "--profile", "work")).err.strip().endswith("Run: bitbucket-auth login --profile work")
    )
