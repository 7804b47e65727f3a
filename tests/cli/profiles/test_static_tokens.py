"""Each command with a profile that has an access token or an API token."""

import json
import time

import pytest

from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.testing.fake import faults
from tests.support.command_line import CommandLine

ADA = "ada@example.com"
KINDS = ["access_token", "api_token"]
DAY = 86400.0


@pytest.fixture(params=KINDS)
async def kind(cli: CommandLine, request: pytest.FixtureRequest) -> str:
    """A kind of token; the default profile has one."""
    found: str = request.param
    token = cli.fake.sign_in().access_token if found == "access_token" else cli.fake.issue_api_token()
    done = await cli.static_login(f"--{found.replace('_', '-')}", token)
    assert done.code == 0, done
    return found


async def expire_in(cli: CommandLine, seconds: float) -> None:
    """Let the stored token expire in so many seconds."""
    found = await cli.store.load("default")
    assert found is not None
    plain = found.record.to_plain()
    plain["token"]["expires_at"] = time.time() + seconds
    assert await cli.store.swap("default", Record.from_plain(plain), expected=found.version)


def login_advice(kind: str) -> str:
    """Return the end of the advice to sign in again."""
    return f"un: bitbucket-auth login --{kind.replace('_', '-')} --profile default"


def creation_advice(kind: str) -> str:
    """Return the advice where to create another token."""
    return "under Access tokens" if kind == "access_token" else "Security, API tokens"


async def test_the_token_is_printed_until_its_last_second_and_advice_afterwards(cli: CommandLine, kind: str) -> None:
    token = await cli.access_token()
    for seconds in (None, 5 * DAY, 60.0):
        if seconds is not None:
            await expire_in(cli, seconds)
        for more in ((), ("--verbose",)):  # the fast path, and the whole program
            done = await cli.run("token", *more)
            assert (done.code, done.out) == (0, f"{token}\n")
    await expire_in(cli, -1.0)
    for words in (["token"], ["token", "--verbose"], ["api", "GET", "/user"], ["refresh"]):
        done = await cli.run(*words)
        assert (done.code, done.out) == (3, ""), words
        assert "Expired: " in done.err
        assert creation_advice(kind) in done.err
        assert done.err.strip().endswith(login_advice(kind))
        assert token not in done.err


async def test_status_shows_kind_and_expiry_and_warns_in_time(cli: CommandLine, kind: str) -> None:
    endless = await cli.run("status")
    assert endless.code == 0
    rows = dict(line.split(maxsplit=1) for line in endless.out.splitlines())
    assert rows["kind"] == {"access_token": "access token", "api_token": "API token"}[kind]
    assert rows.get("e-mail") == {"access_token": None, "api_token": ADA}[kind]
    assert rows["user"] == "Ada (ada)"
    assert rows["expires"].startswith("unknown")
    assert endless.err == ""
    for seconds, state, code in ((15 * DAY, "good", 0), (13 * DAY, "expires soon", 0), (-DAY, "sign-in needed", 3)):
        await expire_in(cli, seconds)
        done = await cli.run("status", "--json")
        told = json.loads(done.out)
        assert (done.code, told["state"], told["grant_type"]) == (code, state, kind)
        assert (told["email"], told["client_id"], told["refresh_token"]) == (rows.get("e-mail"), None, "none")
        assert told["expires_at"].startswith("20")
        assert (login_advice(kind) in done.err, creation_advice(kind) in done.err) == ((state != "good"),) * 2


async def test_status_reports_that_bitbucket_refuses_the_token(cli: CommandLine, kind: str) -> None:
    cli.fake.kill_access_token(await cli.access_token())
    done = await cli.run("status", "--json")
    assert done.code == 3
    assert json.loads(done.out)["state"] == "sign-in needed"
    assert "Bitbucket refuses the token (401)" in done.err
    assert login_advice(kind) in done.err


async def test_refresh_fails_with_advice(cli: CommandLine, kind: str) -> None:
    before = cli.tokens.read_bytes()
    done = await cli.run("refresh")
    assert (done.code, done.out) == (1, "")
    whose = {"access_token": "", "api_token": f" of {ADA}"}[kind]
    assert done.err.startswith(f"An {kind.replace('_', ' ').replace('api', 'API')}{whose} can't be renewed.")
    assert creation_advice(kind) in done.err
    assert login_advice(kind) in done.err
    assert cli.tokens.read_bytes() == before


async def test_after_logout_the_token_is_gone_from_this_machine(cli: CommandLine, kind: str) -> None:
    token = await cli.access_token()
    done = await cli.run("logout")
    assert (done.code, done.out) == (0, "")
    assert "until it expires or is revoked" in done.err
    assert token not in cli.tokens.read_text()
    for words in (["token"], ["status"], ["api", "GET", "/user"], ["refresh"]):
        told = await cli.run(*words)
        assert told.code == 3, words
        assert login_advice(kind) in told.err
    assert (await cli.run("logout")).code == 0


async def test_profiles_lists_and_removes_it(cli: CommandLine, kind: str) -> None:
    token = await cli.access_token()
    listed = (await cli.run("profiles")).out.splitlines()
    assert listed[0].split() == ["PROFILE", "KIND", "CLIENT", "STORE"]
    whose = {"access_token": "-", "api_token": ADA}[kind]
    assert listed[1].split() == ["default", "default", kind, whose, "file:bitbucket-auth"]
    assert (await cli.run("profiles", "--forget", "default")).code == 0
    assert token not in cli.tokens.read_text()
    assert (await cli.run("profiles")).code == 3


async def test_api_sends_the_kinds_authorization_and_reports_a_401(cli: CommandLine, kind: str) -> None:
    done = await cli.run("api", "GET", "/user")
    assert (done.code, json.loads(done.out)["username"]) == (0, "ada")
    listed = await cli.run("api", "GET", "/repositories/acme", "--paginate")
    assert len(json.loads(listed.out)) == 25
    cli.fake.kill_access_token(await cli.access_token())
    refused = await cli.run("api", "GET", "/user")
    assert (refused.code, refused.out) == (1, "")
    assert "401" in refused.err
    assert cli.fake.token_requests == 0, kind


async def test_the_doctor_checks_the_token_instead_of_a_consumer(cli: CommandLine, kind: str) -> None:
    for name in ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET"):
        del cli.environ[name]
    await cli.run("git-setup")

    async def found() -> dict[str, list[str]]:
        done = await cli.run("doctor")
        return {row[0]: row[1:] for row in (line.split(maxsplit=2) for line in done.out.splitlines())}

    rows = await found()
    assert {about: row[0] for about, row in rows.items()} == dict.fromkeys(
        ("profile", "files", "network", "clock", "store", "token", "git"), "ok"
    )
    assert rows["profile"][1].endswith({"access_token": "access token", "api_token": f"API token of {ADA}"}[kind])
    await expire_in(cli, 5.5 * DAY)
    assert (await found())["token"][0] == "warning"
    with cli.fake.inject(faults.status(503), at="api", times=None):
        verdict, text = (await found())["token"]
    assert (verdict, "503" in text) == ("warning", True)
    cli.fake.kill_access_token(await cli.access_token())
    verdict, text = (await found())["token"]
    assert (verdict, login_advice(kind) in text) == ("error", True)
    await expire_in(cli, -1.0)
    verdict, text = (await found())["token"]
    assert (verdict, text.startswith("Expired")) == ("error", True)


async def test_a_client_in_the_environment_changes_nothing(cli: CommandLine, kind: str) -> None:
    os_like = {"BITBUCKET_CLIENT_ID": "half of a client", "BITBUCKET_CLIENT_SECRET": ""}
    for words in (["token", "--verbose"], ["status"], ["api", "GET", "/user"], ["logout"]):
        assert (await cli.run(*words, environ=os_like)).code == 0, (words, kind)


async def test_users_of_a_shared_store_see_the_newest_token_at_once(cli: CommandLine, kind: str) -> None:
    other = cli.home / "other"
    other.mkdir()
    text = cli.fake.issue_api_token() if kind == "api_token" else cli.fake.sign_in().access_token
    here = cli.environ["HOME"]
    cli.environ["HOME"] = str(other)
    flag = f"--{kind.replace('_', '-')}"
    assert (await cli.static_login(flag, text, "--store", f"file://{cli.tokens}")).code == 0
    cli.environ["HOME"] = here
    assert (await cli.run("token")).out == f"{text}\n"
