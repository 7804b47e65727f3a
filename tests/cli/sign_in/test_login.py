"""Signing in by browser, by a pasted URL and by client credentials, and their failures."""

import asyncio
import json
import os
import shutil
import signal
import socket
import urllib.parse
from pathlib import Path

import pytest

from bitbucket_auth_async.testing.fake import faults
from tests.support.command_line import BROWSER, CommandLine, text_in, wait_until_idle
from tests.support.terminal import read_until, start_in_terminal


async def address(process: asyncio.subprocess.Process) -> str:
    """Read the program's messages up to the URL to open."""
    assert process.stderr is not None
    while True:
        line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
        assert line, "the program ended"
        if line.startswith("http"):
            return line.strip()


async def test_a_browser_signs_in_and_is_shown_a_closing_page(cli: CommandLine, tmp_path: Path) -> None:
    shown = tmp_path / "shown.html"
    done = await cli.run_process(*cli.login_words(), environ={"BROWSER": BROWSER, "BROWSER_SHOWS": str(shown)})
    assert done.code == 0, done
    assert "Signed in as Ada (ada) (profile default). Scopes: account email repository." in done.err
    assert done.out == ""
    assert "You can close this page" in shown.read_text()
    assert cli.tokens.stat().st_mode & 0o777 == 0o600
    assert cli.fake.is_live(await cli.access_token())


async def saved_files(cli: CommandLine) -> object:
    """Return the files with their modes, the profiles, and the record without its random and timed values."""
    kept = await cli.store.load("default")
    assert kept is not None
    assert kept.record.token is not None
    assert cli.fake.is_live(kept.record.token.access_token)
    files = {path.relative_to(cli.home): path.stat().st_mode for path in cli.home.rglob("*")}
    profiles = (cli.home / ".config/bitbucket-auth/profiles.json").read_bytes()
    drawn = {"access_token", "refresh_token", "issued_at", "expires_at"}
    plain = kept.record.to_plain()
    token = {name: name in drawn or value for name, value in plain["token"].items()}
    return files, profiles, {**plain, "token": token, "generation": True}


async def test_the_tests_own_sign_in_leaves_the_same_files_as_login(cli: CommandLine) -> None:
    await cli.login()
    by_login = await saved_files(cli)
    for folder in cli.home.iterdir():
        shutil.rmtree(folder)
    await cli.sign_in()
    assert await saved_files(cli) == by_login
    assert cli.fake.token_requests == 2


async def test_r11_no_secret_is_printed_and_all_files_are_private(cli: CommandLine) -> None:
    done = await cli.login("--verbose")
    kept = await cli.store.load("default")
    assert kept is not None
    assert kept.record.token is not None
    secrets = (cli.fake.client.client_secret, kept.record.token.access_token, kept.record.token.refresh_token)
    assert not [secret for secret in secrets if secret and secret in done.err + done.out]
    assert "Sending a token request" in done.err
    assert str(cli.fake.client.client_secret) not in text_in(cli.home)  # it stays in the environment
    assert [path for path in cli.home.rglob("*") if path.is_file() and path.stat().st_mode & 0o077] == []


async def test_a_user_who_denies_the_access_is_not_signed_in(cli: CommandLine, tmp_path: Path) -> None:
    shown = tmp_path / "shown.html"
    environ = {"BROWSER": BROWSER, "BROWSER_SAYS": "deny", "BROWSER_SHOWS": str(shown)}
    done = await cli.run(*cli.login_words(), environ=environ)
    assert done.code == 1
    assert "access_denied" in done.err
    assert "Not signed in" in shown.read_text()
    assert (await cli.run("token")).code == 3


async def test_no_browser_reads_the_url_from_a_pipe(cli: CommandLine) -> None:
    process = await cli.start(*cli.login_words("--no-browser"))
    went = cli.fake.authorize(await address(process))
    _, err = await process.communicate(f"{went}\n".encode())
    assert process.returncode == 0, err
    assert (await cli.run("token")).out.strip() == await cli.access_token()


async def test_no_browser_works_on_a_terminal_without_readline_as_on_windows(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "readline.py").write_text("raise ModuleNotFoundError(name='readline')")
    cli.environ["PYTHONPATH"] = f"{tmp_path}:{cli.environ['PYTHONPATH']}"
    process, mine, its = await start_in_terminal(cli, *cli.login_words("--no-browser"))
    said = await read_until(mine, "paste it here:")
    went = cli.fake.authorize(next(word for word in said.split() if word.startswith("http")))
    os.write(mine, f"{went}\n".encode())
    await read_until(mine, "Signed in as Ada")
    assert await process.wait() == 0
    os.close(mine)
    os.close(its)


async def test_after_a_wrong_url_on_a_terminal_the_right_one_still_signs_in(cli: CommandLine) -> None:
    process, mine, its = await start_in_terminal(cli, *cli.login_words("--no-browser"))
    said = await read_until(mine, "paste it here:")
    os.write(mine, b"http://127.0.0.1:8372/callback?code=theirs&state=guessed\n")
    await read_until(mine, "This login is still waiting. Paste the whole URL, beginning with")
    went = cli.fake.authorize(next(word for word in said.split() if word.startswith("http")))
    os.write(mine, f"{went}\n".encode())
    await read_until(mine, "Signed in as Ada")
    assert await process.wait() == 0
    os.close(mine)
    os.close(its)


@pytest.mark.parametrize("pasted", ["", "nonsense\n", "http://127.0.0.1:8372/callback?code=theirs&state=guessed\n"])
async def test_a_wrong_pasted_url_does_not_sign_in(cli: CommandLine, pasted: str) -> None:
    done = await cli.run(*cli.login_words("--no-browser"), stdin=pasted)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert cli.fake.token_requests == 0
    assert not cli.tokens.exists()


async def test_a_wrong_callback_url_is_explained_after_the_timeout(cli: CommandLine) -> None:
    cli.fake.registration().callback = "http://127.0.0.1:1/other"
    environ = {"BROWSER": BROWSER}
    done = await cli.run(*cli.login_words("--timeout", "1"), environ=environ)
    assert done.code == 1
    assert "Invalid redirect_uri" in done.err
    assert f"callback URL of your OAuth consumer to {cli.callback} " in done.err


async def test_any_free_port_matches_a_callback_url_without_a_port(cli: CommandLine) -> None:
    cli.fake.registration().callback = "http://127.0.0.1/callback"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", cli.port))
        taken.listen()
        await cli.login("--port", "0")


async def test_a_second_login_at_the_same_time_is_told_to_try_again(cli: CommandLine) -> None:
    first = await cli.start(*cli.login_words())
    url = await address(first)
    second = await cli.run(*cli.login_words())
    assert second.code == 4
    assert f"Port {cli.port} is in use" in second.err
    went = urllib.parse.urlsplit(cli.fake.authorize(url))
    reader, writer = await asyncio.open_connection("127.0.0.1", cli.port)
    writer.write(f"GET {went.path}?{went.query} HTTP/1.1\r\nHost: {went.netloc}\r\n\r\n".encode())
    assert b"200 OK" in await reader.read()
    writer.close()
    assert await first.wait() == 0


async def test_ctrl_c_while_waiting_for_the_browser_saves_nothing(cli: CommandLine) -> None:
    process = await cli.start(*cli.login_words())
    await address(process)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 130
    assert err.decode().strip().endswith("Interrupted.")
    assert "Traceback" not in err.decode()
    assert not cli.tokens.exists()
    assert (await cli.run("status")).code == 3


async def test_ctrl_c_during_the_code_exchange_saves_nothing_incomplete(cli: CommandLine, tmp_path: Path) -> None:
    with cli.fake.inject(faults.hold()) as held:
        environ = {"BROWSER": BROWSER, "BROWSER_SHOWS": str(tmp_path / "shown.html")}
        process = await cli.start(*cli.login_words(), environ=environ)
        await asyncio.wait_for(held.reached.wait(), 30)
        process.send_signal(signal.SIGINT)
        await wait_until_idle(process)
        held.release()
        _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130
    assert "Traceback" not in err.decode()
    assert (await cli.run("token")).code == 3
    await cli.login()
    assert cli.fake.is_live((await cli.run("token")).out.strip())


async def test_client_credentials_sign_in_and_renew_without_a_user(cli: CommandLine) -> None:
    done = await cli.run(*cli.login_words("--client-credentials"))
    assert done.code == 0, done
    (key,) = await cli.store.keys()
    first = await cli.access_token(key)
    await cli.age(3600, key)
    again = await cli.run("token")
    assert again.code == 0
    assert again.out.strip() != first
    assert cli.fake.is_live(again.out.strip())


async def test_a_profile_can_change_from_a_user_to_a_client_and_to_another_client(cli: CommandLine) -> None:
    await cli.login()
    machine = await cli.run(*cli.login_words("--client-credentials"))
    assert machine.code == 0, machine
    other = cli.fake.register_client("other", "other-secret")
    environ = {"BITBUCKET_CLIENT_ID": "other", "BITBUCKET_CLIENT_SECRET": str(other.client_secret)}
    changed = await cli.run(*cli.login_words("--client-credentials"), environ=environ)
    assert changed.code == 0, changed
    status = json.loads((await cli.run("status", "--json")).out)
    assert (status["client_id"], status["grant_type"]) == ("other", "client_credentials")


async def test_a_wrong_secret_is_reported_and_the_earlier_sign_in_is_unchanged(cli: CommandLine) -> None:
    await cli.login()
    before = await cli.access_token()
    wrong = {"BITBUCKET_CLIENT_SECRET": "wrong"}
    done = await cli.run("login", "--no-browser", stdin="\n", environ=wrong)
    assert done.code == 1
    process = await cli.start("login", "--no-browser", environ=wrong)
    _, err = await process.communicate(f"{cli.fake.authorize(await address(process))}\n".encode())
    assert process.returncode == 1
    assert b"unauthorized_client" in err
    assert (await cli.run("token")).out.strip() == before


async def test_without_client_and_terminal_the_error_says_what_to_set(cli: CommandLine) -> None:
    del cli.environ["BITBUCKET_CLIENT_ID"], cli.environ["BITBUCKET_CLIENT_SECRET"]
    done = await cli.run("login")
    assert done.code == 1
    assert "BITBUCKET_CLIENT_ID_FILE" in done.err


async def test_r11_a_store_url_with_a_password_is_accepted_only_from_the_environment(
    cli: CommandLine, tmp_path: Path
) -> None:
    done = await cli.run(*cli.login_words("--store", "redis://:hunter2@localhost/0"))
    assert done.code == 1
    assert "BITBUCKET_AUTH_STORE" in done.err
    assert "hunter2" not in done.err
    environ = {"BITBUCKET_AUTH_STORE": f"sqlite://{tmp_path}/tokens.db"}
    await cli.login(environ=environ)
    assert (tmp_path / "tokens.db").exists()
    assert (await cli.run("token", environ=environ)).code == 0
    assert (await cli.run("token")).code == 1


async def test_the_store_option_selects_the_store(cli: CommandLine, tmp_path: Path) -> None:
    await cli.login("--store", f"sqlite://{tmp_path}/tokens.db")
    done = await cli.run("token")
    assert cli.fake.is_live(done.out.strip())
    assert not cli.tokens.exists()


async def test_only_a_server_on_this_machine_is_accepted_instead_of_bitbucket(cli: CommandLine) -> None:
    for address_ in ("https://bitbucket.org.evil.example", "http://bitbucket.org", "https://192.0.2.1"):
        done = await cli.run("login", "--server", address_)
        assert done.code == 1, done
        assert "Traceback" not in done.err


async def test_a_scope_that_the_consumer_lacks_is_reported(cli: CommandLine) -> None:
    environ = {"BROWSER": BROWSER}
    done = await cli.run(*cli.login_words("--scope", "pullrequest:write"), environ=environ)
    assert done.code == 1
    assert "invalid_scope" in done.err
