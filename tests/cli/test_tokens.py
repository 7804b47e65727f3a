"""`token`, `status`, `refresh`, `logout`, `profiles` and the help, as scripts and users call them."""

import asyncio
import json
import re
import signal
import sys
from dataclasses import replace
from importlib.metadata import version

import pytest
import typer.main

from bitbucket_auth_async.cli.app import app
from bitbucket_auth_async.cli.main import main
from bitbucket_auth_async.testing.fake import faults
from tests.support.command_line import CommandLine, wait_until_idle


async def test_token_prints_only_the_token(cli: CommandLine) -> None:
    await cli.sign_in()
    done = await cli.run("token")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{await cli.access_token()}\n"


async def test_r4_token_finishes_a_due_renewal_before_it_prints(cli: CommandLine) -> None:
    await cli.sign_in()
    before = await cli.access_token()
    await cli.age(3400)  # valid for three more minutes
    with cli.fake.inject(faults.latency(0.5)):
        done = await cli.run("token")
    assert done.code == 0
    assert done.out.strip() == await cli.access_token() != before


async def test_r6_r7_during_an_outage_the_current_token_is_printed_while_it_is_valid(cli: CommandLine) -> None:
    await cli.sign_in()
    await cli.age(3400)
    with cli.fake.inject(faults.status(503), times=None):
        done = await cli.run("token")
        assert (done.code, done.out.strip()) == (0, await cli.access_token())
        await cli.age(300)
        expired = await cli.run("token")
    assert (expired.code, expired.out) == (4, "")
    assert "503" in expired.err
    assert len(expired.err.splitlines()) == 1


async def test_r1_two_processes_at_the_same_moment_renew_once(cli: CommandLine) -> None:
    await cli.sign_in()
    await cli.age(3600)
    with cli.fake.inject(faults.latency(0.5), times=None):
        both = await asyncio.gather(cli.run_process("token"), cli.run_process("token"))
    assert {done.out.strip() for done in both} == {await cli.access_token()}
    assert cli.fake.token_requests == 2


async def test_r4_ctrl_c_during_a_renewal_does_not_lose_the_new_token(cli: CommandLine) -> None:
    await cli.sign_in()
    await cli.age(3600)
    with cli.fake.inject(faults.hold()) as held:
        process = await cli.start("token")
        await asyncio.wait_for(held.reached.wait(), 30)
        process.send_signal(signal.SIGINT)
        await wait_until_idle(process)
        held.release()
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    found = await cli.store.load("default")
    assert found is not None
    assert found.record.claim is None
    assert cli.fake.is_live(await cli.access_token())


async def test_the_proxy_of_the_environment_and_its_exceptions_apply(cli: CommandLine) -> None:
    await cli.sign_in()
    await cli.age(3600)
    unreachable = {"http_proxy": "http://127.0.0.1:1"}
    through = await cli.run("token", environ=unreachable)
    assert (through.code, through.out) == (4, "")
    assert cli.fake.token_requests == 1
    found = await cli.store.load("default")
    assert found is not None
    no_pause = replace(found.record, rest=None)
    assert await cli.store.swap("default", no_pause, expected=found.version)
    direct = await cli.run("status", "--json", environ={**unreachable, "no_proxy": "127.0.0.1"})
    assert direct.code == 0
    assert (await cli.run("token", environ={**unreachable, "no_proxy": "127.0.0.1"})).code == 0


async def test_r8_a_refused_refresh_token_has_its_own_exit_code(cli: CommandLine) -> None:
    await cli.sign_in()
    cli.fake.revoke()
    await cli.age(3600)
    done = await cli.run("token")
    assert (done.code, done.out) == (3, "")
    assert "bitbucket-auth login" in done.err
    status = await cli.run("status", "--json")
    assert status.code == 3
    assert json.loads(status.out)["refresh_token"] == "refused"


async def test_before_the_first_sign_in_every_command_says_to_log_in(cli: CommandLine) -> None:
    for words in (["token"], ["status"], ["refresh"], ["logout"], ["profiles"], ["git-setup"]):
        done = await cli.run(*words)
        assert (done.code, done.out) == (3, ""), words
        assert "bitbucket-auth login" in done.err


async def test_status_shows_the_state_and_changes_nothing(cli: CommandLine) -> None:
    await cli.sign_in()
    before = cli.tokens.read_bytes()
    plain = await cli.run("status")
    assert cli.tokens.read_bytes() == before
    assert plain.code == 0
    assert "\x1b" not in plain.out
    rows = dict(line.split("  ", 1) for line in plain.out.splitlines())
    assert rows["state"].strip() == "good"
    assert rows["user"].strip() == "Ada (ada)"
    assert rows["store"].strip() == str(cli.tokens)
    told = json.loads((await cli.run("status", "--json")).out)
    assert (told["profile"], told["state"], told["refresh_token"]) == ("default", "good", "alive")
    assert told["scope"] == ["account", "email", "repository"]
    for older, state in ((3400, "renewal due"), (300, "expired")):
        await cli.age(older)
        before = cli.tokens.read_bytes()
        assert json.loads((await cli.run("status", "--json")).out)["state"] == state
        assert cli.tokens.read_bytes() == before
    assert cli.fake.token_requests == 1


async def test_status_shows_the_last_failed_renewal(cli: CommandLine) -> None:
    await cli.sign_in()
    await cli.age(3600)
    with cli.fake.inject(faults.status(503), times=None):
        assert (await cli.run("token")).code == 4
    status = await cli.run("status")
    assert status.code == 0
    assert re.search(r"^last renewal +failed: .*503", status.out, re.MULTILINE)


async def test_text_from_the_server_cannot_move_the_cursor(cli: CommandLine) -> None:
    cli.fake.person.display_name = "\x1b[2J\x1b]0;owned\x07Ada"
    cli.fake.registration().scope = frozenset({"account", "\u202eowned"})
    done = await cli.login()
    status = await cli.run("status")
    assert not {"\x1b", "\u202e"} & set(done.err + status.out)
    assert "Ada" in status.out


async def test_letters_that_the_terminal_lacks_are_escaped(cli: CommandLine) -> None:
    cli.fake.person.display_name = "Zo\u00eb"
    await cli.login()
    done = await cli.run_process("status", environ={"PYTHONIOENCODING": "ascii"})
    assert (done.code, done.err) == (0, "")
    assert "Zo\\xeb" in done.out


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
async def test_a_stream_that_is_closed_at_the_start_causes_no_traceback(cli: CommandLine, closed: str) -> None:
    await cli.login()
    closes_streams = ("bash", "-c", f'{sys.executable} -m bitbucket_auth_async "$@" {closed}', "bash")
    for words in (["token"], ["status"], ["git-credential", "get"], ["logout"]):
        done = await cli.run_process(*words, command=closes_streams)
        assert (done.code, "Traceback" in done.err) == (0, False), words


async def test_a_full_output_device_is_reported(cli: CommandLine) -> None:
    await cli.login()
    full = ("bash", "-c", f'{sys.executable} -m bitbucket_auth_async "$@" >/dev/full', "bash")
    for words in (["token"], ["status"]):
        done = await cli.run_process(*words, command=full)
        assert (done.code, done.err) == (1, "The system reported an error: No space left on device.\n"), words


async def test_refresh_renews_a_valid_token_but_not_a_very_young_one(cli: CommandLine) -> None:
    await cli.sign_in()
    first = await cli.access_token()
    young = await cli.run("refresh")
    assert young.code == 0
    assert "was not renewed" in young.err
    assert await cli.access_token() == first
    await cli.age(120)
    done = await cli.run("refresh")
    assert (done.code, done.out) == (0, "")
    assert await cli.access_token() != first


async def test_after_logout_the_token_is_gone_and_the_next_login_needs_no_input(cli: CommandLine) -> None:
    await cli.sign_in()
    token = await cli.access_token()
    done = await cli.run("logout")
    assert done.code == 0
    assert "To revoke the access at Bitbucket too: Personal settings > App authorizations." in done.err
    assert token not in cli.tokens.read_text()
    assert (await cli.run("token")).code == 3
    await cli.login()
    assert (await cli.run("token")).code == 0


async def test_profiles_are_separate(cli: CommandLine) -> None:
    await cli.sign_in()
    cli.fake.register_person("bob")
    await cli.sign_in("work")
    listed = await cli.run("profiles")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["PROFILE", "default", "work"]
    default, work = (await cli.run("token")).out, (await cli.run("token", "--profile", "work")).out
    assert default != work
    assert (await cli.run("token", "-p", "work")).out == work
    assert (await cli.run("profiles", "--use", "work")).code == 0
    assert (await cli.run("token")).out == work
    assert (await cli.run("profiles", "--forget", "work")).code == 0
    assert (await cli.run("token")).out == default
    gone = await cli.run("token", "--profile", "work")
    assert gone.code == 1
    assert "no profile 'work'" in gone.err


async def test_logout_of_a_client_mentions_forget_and_forget_itself_does_not(cli: CommandLine) -> None:
    await cli.run(*cli.login_words("--client-credentials"))
    hint = "bitbucket-auth profiles --forget default"
    assert hint in (await cli.run("logout")).err
    forgotten = await cli.run("profiles", "--forget", "default")
    assert (forgotten.code, hint in forgotten.err) == (0, False)


COMMANDS: list[str] = sorted(vars(typer.main.get_command(app))["commands"])  # a group, whatever typer calls its type


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert re.search(rf"Example: .*bitbucket-auth {command}\b", " ".join(capsys.readouterr().out.split()))


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 sign-in needed, 4 try again later." in " ".join(
        said.split()
    )
    assert [command for command in COMMANDS if f"\n  {command} " not in said] == []


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["token", "--nonsense"],
        ["git-credential"],
        ["profiles", "--use", "a", "--forget", "b"],
        ["api", "G ET", "/user"],
        ["login", "--timeout", "nan"],
        ["fake-server", "--lifetime", "nan"],
    ],
)
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Usage: bitbucket-auth" in said.err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bitbucket-auth {version('bitbucket-auth-async')}\n"


async def test_a_reader_that_stops_early_causes_no_traceback(cli: CommandLine) -> None:
    await cli.sign_in()
    stops_early = ("bash", "-c", f'{sys.executable} -m bitbucket_auth_async "$@" | head -c 0', "bash")
    for words in (["token"], ["status"], ["profiles"]):
        done = await cli.run_process(*words, command=stops_early)
        assert (done.out, done.err) == ("", ""), words
