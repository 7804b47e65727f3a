"""Signing in by an access token or an API token: input, check, storage, and refusals."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bitbucket_auth_async.testing.fake import faults
from tests.support.command_line import CommandLine, text_in, wait_until_idle
from tests.support.store_servers import redis_server
from tests.support.terminal import read_until, start_in_terminal

ADA = "ada@example.com"


def day(away: int) -> str:
    return (datetime.now(UTC) + timedelta(days=away)).strftime("%Y-%m-%d")


async def profile_of(cli: CommandLine) -> dict[str, object]:
    document = json.loads((cli.home / ".config/bitbucket-auth/profiles.json").read_text())
    found: dict[str, object] = document["profiles"]["default"]
    return found


async def test_an_access_token_is_read_from_standard_input_and_saved_only_in_the_private_file(cli: CommandLine) -> None:
    token = cli.fake.sign_in().access_token
    done = await cli.static_login("--access-token", token, "--expires", day(200))
    assert (done.code, done.out) == (0, ""), done
    assert "Signed in as Ada (ada) by an access token (profile default)." in done.err
    assert f"valid until {day(200)} 23:59:59 UTC, in 200 days" in done.err
    assert token not in done.err
    assert cli.tokens.stat().st_mode & 0o777 == 0o600
    assert await cli.access_token() == token
    assert text_in(cli.home).count(token) == 1
    assert (await profile_of(cli))["secret"] == "none"
    assert (await cli.run("token")).out == f"{token}\n"


async def test_an_api_token_is_saved_with_its_e_mail_address(cli: CommandLine) -> None:
    token = cli.fake.issue_api_token()
    done = await cli.static_login("--api-token", token)
    assert done.code == 0, done
    assert f"Signed in as Ada (ada) by an API token of {ADA}" in done.err
    assert f'curl -u {ADA}:"$(bitbucket-auth token --profile default)"' in done.err
    assert "--expires" in done.err  # its expiry is unknown
    assert (await cli.run("token")).out == f"{token}\n"
    assert text_in(cli.home).count(token) == 1


@pytest.mark.parametrize("kind", ["--access-token", "--api-token"])
async def test_on_a_terminal_the_token_is_asked_for_and_not_shown(cli: CommandLine, kind: str) -> None:
    token = cli.fake.sign_in().access_token if kind == "--access-token" else cli.fake.issue_api_token()
    process, mine, its = await start_in_terminal(cli, "login", kind, "--server", cli.site.base_url)
    if kind == "--api-token":
        assert "Create API token" in await read_until(mine, "E-mail address: ")
        os.write(mine, f"{ADA}\n".encode())
    await read_until(mine, "(not shown): ")
    os.write(mine, f"{token}\n".encode())
    said = await read_until(mine, "Signed in as Ada")
    assert token not in said
    assert await process.wait() == 0
    os.close(mine)
    os.close(its)
    assert (await cli.run("token")).out == f"{token}\n"


async def test_on_a_terminal_the_previous_e_mail_address_is_offered(cli: CommandLine) -> None:
    await cli.static_login("--api-token", cli.fake.issue_api_token())
    process, mine, its = await start_in_terminal(cli, "login", "--api-token")
    await read_until(mine, f"E-mail address ({ADA}): ")
    os.write(mine, b"\n")
    await read_until(mine, "(not shown): ")
    another = cli.fake.issue_api_token()
    os.write(mine, f"{another}\n".encode())
    await read_until(mine, "Signed in as Ada")
    assert await process.wait() == 0
    os.close(mine)
    os.close(its)
    assert (await cli.run("token")).out == f"{another}\n"


async def test_ctrl_c_at_the_prompt_saves_nothing(cli: CommandLine) -> None:
    process, mine, its = await start_in_terminal(cli, "login", "--access-token", "--server", cli.site.base_url)
    await read_until(mine, "(not shown): ")
    await wait_until_idle(process)  # it reads; Python can lose a signal that arrives just before
    os.write(mine, b"\x03")
    await read_until(mine, "Interrupted.")
    assert await process.wait() == 130
    os.close(mine)
    os.close(its)
    assert not cli.tokens.exists()
    assert (await cli.run("profiles")).code == 3


async def test_a_token_that_may_not_read_its_account_is_accepted(cli: CommandLine) -> None:
    token = cli.fake.sign_in(scope={"repository"}).access_token  # GET /user is answered 403
    done = await cli.static_login("--access-token", token)
    assert done.code == 0, done
    assert "Bitbucket accepts it, but it may not read its account" in done.err
    assert (await cli.run("token")).out == f"{token}\n"


@pytest.mark.parametrize(
    "kind, text, words, hint",
    [
        ("--access-token", "unknown", (), "needs --api-token"),
        ("--access-token", "of the other kind", (), "needs --api-token"),
        ("--api-token", "unknown", (), "needs --access-token"),
        ("--api-token", "of the other kind", (), "needs --access-token"),
        ("--api-token", "of another user", ("--email", "bob@example.com"), "e-mail address are mistyped"),
    ],
)
async def test_a_refused_token_is_reported_and_the_earlier_sign_in_is_unchanged(
    cli: CommandLine, kind: str, text: str, words: tuple[str, ...], hint: str
) -> None:
    if text == "of the other kind":
        text = cli.fake.issue_api_token() if kind == "--access-token" else cli.fake.issue_access_token()
    elif text == "of another user":
        text = cli.fake.issue_api_token()
    await cli.login()
    before = await cli.access_token()
    profile = await profile_of(cli)
    done = await cli.static_login(kind, text, *words)
    assert (done.code, done.out) == (1, "")
    assert "401" in done.err
    assert hint in done.err
    assert text not in done.err.replace("--api-token", "")
    assert await cli.access_token() == before
    assert await profile_of(cli) == profile


@pytest.mark.parametrize("answer", ["down", 503, 429, 302])
async def test_a_token_that_cannot_be_checked_is_saved_with_a_notice(cli: CommandLine, answer: str | int) -> None:
    token = cli.fake.sign_in().access_token
    if isinstance(answer, int):
        with cli.fake.inject(faults.status(answer), at="api"):
            done = await cli.static_login("--access-token", token)
    else:
        environ = {"http_proxy": "http://127.0.0.1:1"}
        words = ("login", "--access-token", "--server", cli.site.base_url)
        done = await cli.run(*words, stdin=token, environ=environ)
    assert done.code == 0, done
    assert "Saved, but not checked" in done.err
    assert ("Error" if answer == "down" else str(answer)) in done.err
    assert (await cli.run("token")).out == f"{token}\n"


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "n\u00f6"])
async def test_an_invalid_token_is_refused_before_any_request(cli: CommandLine, text: str) -> None:
    done = await cli.static_login("--access-token", text)
    assert (done.code, done.out) == (1, "")
    assert "oken" in done.err
    assert not text.strip() or text not in done.err
    assert not cli.tokens.exists()


async def test_without_a_terminal_an_api_token_needs_an_e_mail_address(cli: CommandLine) -> None:
    done = await cli.run("login", "--api-token", stdin="x")
    assert done.code == 1
    assert "--email" in done.err
    wrong = await cli.run("login", "--api-token", "--email", "ada", stdin="x")
    assert wrong.code == 1
    assert "e-mail address" in wrong.err


@pytest.mark.parametrize(
    "words, hint",
    [
        (("--access-token", "--api-token"), "--access-token and --api-token are different"),
        (("--access-token", "--client-credentials"), "different ways"),
        (("--access-token", "--email", ADA), "--email is only for --api-token"),
        (("--expires", "2099-01-01"), "--expires is only for --access-token and --api-token"),
        (("--api-token", "--no-browser"), "are only for signing in by OAuth"),
        (("--api-token", "--scope", "account"), "are only for signing in by OAuth"),
        (("--access-token", "--port", "0"), "are only for signing in by OAuth"),
        (("--access-token", "--expires", "soon"), "such as 2027-03-01"),
        (("--access-token", "--expires", "2027-02-30"), "such as 2027-03-01"),
        (("--access-token", "--expires", "9999-12-31"), "such as 2027-03-01"),
        (("--access-token", "--expires", "2020-01-01"), "is in the past"),
    ],
)
async def test_conflicting_options_are_wrong_usage(cli: CommandLine, words: tuple[str, ...], hint: str) -> None:
    done = await cli.run("login", *words, stdin="x")
    assert (done.code, done.out) == (2, "")
    assert hint in done.err
    assert len(done.err.splitlines()) == 1


async def test_today_is_a_valid_last_day(cli: CommandLine) -> None:
    done = await cli.static_login("--access-token", cli.fake.sign_in().access_token, "--expires", day(0))
    assert done.code == 0, done
    assert "Create the next one in time" in done.err


async def test_a_store_that_is_down_is_reported_before_the_token_is_asked_for(cli: CommandLine) -> None:
    done = await cli.run("login", "--access-token", "--store", "redis://127.0.0.1:1/0", stdin="no token")
    assert (done.code, done.out) == (4, "")
    assert "Redis" in done.err


async def test_r11_the_token_is_saved_only_in_the_named_store(cli: CommandLine, tmp_path: Path) -> None:
    token = cli.fake.issue_api_token()
    ring = tmp_path / "ring"
    ring.mkdir()
    cli.environ |= {"PYTHON_KEYRING_BACKEND": "tests.support.keyrings.FolderKeyring", "KEYRING_FOLDER": str(ring)}
    for store in (f"sqlite://{tmp_path}/tokens.db", "keyring://app"):
        done = await cli.static_login("--api-token", token, "--store", store)
        assert done.code == 0, done
        assert (await cli.run("token")).out == f"{token}\n"
        assert (await cli.run("api", "GET", "/user")).code == 0
        assert not cli.tokens.exists()
        assert token not in text_in(cli.home)
        assert (await cli.run("logout")).code == 0
        assert (await cli.run("token")).code == 3
    assert token not in text_in(ring)


async def test_machines_that_share_a_store_share_the_token_and_its_expiry(cli: CommandLine) -> None:
    token = cli.fake.sign_in().access_token
    with redis_server() as server:
        cli.environ["BITBUCKET_AUTH_STORE"] = server.url
        assert (await cli.static_login("--access-token", token, "--expires", day(30))).code == 0
        first = json.loads((await cli.run("status", "--json")).out)
        assert (await cli.run("token")).out == f"{token}\n"
        cli.environ["HOME"] = str(cli.home / "other")
        (cli.home / "other").mkdir()
        newer = cli.fake.sign_in().access_token
        assert (await cli.static_login("--access-token", newer, "--expires", day(60))).code == 0
        cli.environ["HOME"] = str(cli.home)
        second = json.loads((await cli.run("status", "--json")).out)
        assert (await cli.run("token")).out == f"{newer}\n"
    assert (first["expires_at"][:10], second["expires_at"][:10]) == (day(30), day(60))
    assert not {token, newer} & set(text_in(cli.home).split('"'))


async def test_after_logout_another_token_signs_in(cli: CommandLine) -> None:
    await cli.static_login("--api-token", cli.fake.issue_api_token())
    await cli.run("logout")
    another = cli.fake.issue_api_token()
    done = await cli.static_login("--api-token", another)
    assert done.code == 0, done
    assert (await cli.run("token")).out == f"{another}\n"


async def test_a_profile_that_changes_its_kind_keeps_no_secret_of_the_previous_kind(cli: CommandLine) -> None:
    await cli.login()
    former = await cli.access_token()
    token = cli.fake.issue_api_token()
    assert (await cli.static_login("--api-token", token)).code == 0
    assert former not in text_in(cli.home)
    access = cli.fake.sign_in().access_token
    assert (await cli.static_login("--access-token", access)).code == 0
    assert token not in text_in(cli.home)
    assert (await cli.run("token")).out == f"{access}\n"
    await cli.login()
    assert access not in text_in(cli.home)
    assert cli.fake.is_live((await cli.run("token")).out.strip())


async def typed_in(cli: CommandLine, profile: str) -> str:
    """Sign in by client credentials with a typed Key and Secret, and return the secret."""
    client = cli.fake.client
    words = cli.login_words("--client-credentials", "--profile", profile)
    process, mine, its = await start_in_terminal(cli, *words)
    await read_until(mine, "Key: ")
    os.write(mine, f"{client.client_id}\n".encode())
    await read_until(mine, "(not shown): ")
    os.write(mine, f"{client.client_secret}\n".encode())
    await read_until(mine, "Signed in")
    assert await process.wait() == 0
    os.close(mine)
    os.close(its)
    return str(client.client_secret)


async def test_a_clients_secret_is_removed_with_its_last_profile(cli: CommandLine) -> None:
    for name in ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET"):
        del cli.environ[name]
    for profile in ("one", "two", "three"):
        secret = await typed_in(cli, profile)
    kept = cli.home / ".local/share/bitbucket-auth/client-secrets.json"
    assert (await cli.run("profiles", "--forget", "one")).code == 0
    assert secret in kept.read_text()
    assert (await cli.static_login("--api-token", cli.fake.issue_api_token(), "--profile", "two")).code == 0
    assert secret in kept.read_text()
    assert (await cli.static_login("--api-token", cli.fake.issue_api_token(), "--profile", "three")).code == 0
    assert secret not in kept.read_text()


async def test_the_same_token_can_be_saved_with_another_e_mail_address(cli: CommandLine) -> None:
    token = cli.fake.issue_api_token()
    await cli.static_login("--api-token", token)
    cli.fake.person.emails = ("lovelace@example.com",)
    done = await cli.static_login("--api-token", token, "--email", "lovelace@example.com")
    assert done.code == 0, done
    told = json.loads((await cli.run("status", "--json")).out)
    assert (told["email"], told["state"], told["who"]) == ("lovelace@example.com", "good", "Ada (ada)")


async def test_without_an_address_the_previous_one_is_used(cli: CommandLine) -> None:
    await cli.static_login("--api-token", cli.fake.issue_api_token())
    another = cli.fake.issue_api_token()
    done = await cli.run("login", "--api-token", stdin=another)
    assert done.code == 0, done
    assert (await cli.run("token")).out == f"{another}\n"


async def test_r3_a_renewal_in_progress_does_not_restore_the_previous_sign_in(cli: CommandLine) -> None:
    await cli.login()
    await cli.age(3600)
    with cli.fake.inject(faults.hold()) as held:
        process = await cli.start("token")
        await asyncio.wait_for(held.reached.wait(), 30)
        token = cli.fake.issue_api_token()
        assert (await cli.static_login("--api-token", token)).code == 0
        held.release()
        await asyncio.wait_for(process.communicate(), 30)
    found = await cli.store.load("default")
    assert found is not None
    assert (found.record.spares, await cli.access_token()) == ((), token)
    assert (await cli.run("token")).out == f"{token}\n"
