"""Problems of homes, disks, keyrings and clocks: each is reported in one sentence with the right exit code."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, RunResult, text_in, wait_until_idle
from tests.support.terminal import echoes, read_until, start_in_terminal

OTHER_USER = 65534
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def is_one_sentence(done: RunResult) -> bool:
    """Tell whether a failure is one or two lines without a traceback."""
    return done.out == "" and "Traceback" not in done.err and 1 <= len(done.err.strip().splitlines()) <= 2


def within_file_size(kib: int) -> tuple[str, ...]:
    """Return a command whose files are limited to this size, like on a full disk."""
    # -B: a truncated file of compiled Python would break every later run.
    return ("bash", "-c", f'ulimit -f {kib}; exec {sys.executable} -B -m bitbucket_auth_async "$@"', "bash")


# Another user may not read root's Python, so all modules are imported before root becomes that user.
AS_USER = """
import importlib, os, pkgutil, sys
import asyncio, aiohttp, importlib.metadata, json.tool, readline, rich.console, rich.table, typer.rich_utils, zoneinfo
import anyio._backends._asyncio, encodings.ascii, encodings.idna, encodings.latin_1, encodings.utf_8_sig
import bitbucket_auth_async.cli as cli, bitbucket_auth_async.stores.file, bitbucket_auth_async.transports.aiohttp
for module in pkgutil.walk_packages(cli.__path__, "bitbucket_auth_async.cli."):
    importlib.import_module(module.name)
importlib.metadata.metadata("bitbucket-auth-async")  # some Pythons import half of this on first use
uid = int(sys.argv.pop(1))
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
from bitbucket_auth_async.cli.main import main
sys.exit(main())
"""


def as_user(uid: int) -> tuple[str, ...]:
    """Return a command that runs as this user."""
    return (sys.executable, "-c", AS_USER, str(uid))


@pytest.fixture
def someone(cli: CommandLine) -> Generator[tuple[str, ...]]:
    """The command as the user, not root, who owns the home.

    The home is outside pytest's folders: a second test run would close those to other users again.
    """
    uid = os.geteuid() or OTHER_USER
    with tempfile.TemporaryDirectory(prefix="bitbucket-auth-async-") as folder:
        cli.home = Path(folder, "home")
        cli.home.mkdir()
        cli.environ["HOME"] = str(cli.home)
        for path in (folder, cli.home):
            os.chown(path, uid, -1)
        yield as_user(uid)


def client_login(cli: CommandLine, *words: str) -> tuple[str, ...]:
    """Return the arguments of a sign-in by client credentials."""
    return (*cli.login_words("--client-credentials"), *words)


async def test_a_full_disk_is_reported_before_the_browser_opens(cli: CommandLine) -> None:
    done = await cli.run_process(*cli.login_words(), command=within_file_size(0))
    assert done.code == 1
    assert is_one_sentence(done)
    assert "exceed the size limit" in done.err
    assert cli.fake.token_requests == 0
    assert [path for path in cli.home.rglob("*") if path.is_file() and path.stat().st_size] == []


async def test_r2_a_full_disk_spends_no_refresh_token(cli: CommandLine) -> None:
    await cli.sign_in()
    await cli.age(3600)
    before = cli.tokens.read_bytes()
    done = await cli.run_process("token", command=within_file_size(4))
    assert done.code == 1
    assert is_one_sentence(done)
    assert cli.tokens.read_bytes() == before
    assert cli.fake.token_requests == 1
    assert (await cli.run("token")).code == 0


async def test_a_client_with_a_full_store_still_gets_a_token_quickly(cli: CommandLine) -> None:
    await cli.run(*client_login(cli))
    (key,) = await cli.store.keys()
    await cli.age(3600, key)
    began = time.monotonic()
    done = await cli.run_process("token", command=within_file_size(1))
    assert (done.code, cli.fake.is_live(done.out.strip())) == (0, True)
    assert "exceed the size limit" in done.err
    assert time.monotonic() - began < 20


async def test_a_read_only_home_is_reported_but_a_fresh_token_is_still_printed(
    cli: CommandLine, someone: tuple[str, ...]
) -> None:
    assert (await cli.run_process(*client_login(cli), command=someone)).code == 0
    folders = [path for path in (cli.home, *cli.home.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    try:
        assert (await cli.run_process("token", command=someone)).code == 0
        done = await cli.run_process(*client_login(cli, "--profile", "work"), command=someone)
        assert done.code == 1
        assert is_one_sentence(done)
        assert "EACCES" in done.err
    finally:
        for folder in folders:
            folder.chmod(0o700)


@ROOT_ONLY
async def test_without_any_home_the_error_says_what_to_set(cli: CommandLine) -> None:
    del cli.environ["HOME"]
    done = await cli.run_process("token", command=as_user(54_321), cwd=Path("/"))  # the system knows no such user
    assert done.code == 1
    assert is_one_sentence(done)
    assert "HOME" in done.err


async def test_a_missing_home_is_reported(cli: CommandLine, someone: tuple[str, ...]) -> None:
    done = await cli.run_process(*client_login(cli), environ={"HOME": "/does/not/exist"}, command=someone)
    assert done.code == 1
    assert is_one_sentence(done)


@ROOT_ONLY
async def test_another_users_home_is_neither_read_nor_written(cli: CommandLine, someone: tuple[str, ...]) -> None:
    assert (await cli.run_process(*client_login(cli), command=someone)).code == 0
    for words in (["token"], [*cli.login_words()], ["status"]):
        done = await cli.run(*words)  # as root with HOME unchanged, as under some sudo
        assert done.code == 1, words
        assert is_one_sentence(done)
        assert f"belongs to user {OTHER_USER}" in done.err
    assert (await cli.run_process("token", command=someone)).code == 0


@pytest.mark.parametrize("backend", ["keyring.backends.fail.Keyring", "tests.support.keyrings.LockedKeyring"])
async def test_a_missing_or_locked_keyring_is_reported(cli: CommandLine, backend: str) -> None:
    environ = {"PYTHON_KEYRING_BACKEND": backend}
    done = await cli.run(*client_login(cli, "--store", "keyring://app"), environ=environ)
    assert done.code in {1, 4}
    assert is_one_sentence(done)
    assert "keyring" in done.err
    assert cli.fake.token_requests == 0
    assert (await cli.run("profiles")).code == 3


async def test_the_keyring_holds_token_and_secret(cli: CommandLine, tmp_path: Path) -> None:
    client = (cli.environ.pop("BITBUCKET_CLIENT_ID"), cli.environ.pop("BITBUCKET_CLIENT_SECRET"))
    ring = tmp_path / "ring"
    ring.mkdir()
    cli.environ |= {"PYTHON_KEYRING_BACKEND": "tests.support.keyrings.FolderKeyring", "KEYRING_FOLDER": str(ring)}
    process, mine, its = await start_in_terminal(cli, *client_login(cli, "--store", "keyring://app"))
    await read_until(mine, "Key: ")
    os.write(mine, f"{client[0]}\n".encode())
    await read_until(mine, "(not shown): ")
    os.write(mine, f"{client[1]}\n".encode())
    await read_until(mine, "Signed in")
    assert await process.wait() == 0
    os.close(mine)
    os.close(its)
    assert cli.fake.is_live((await cli.run("token")).out.strip())
    on_disk = text_in(cli.home)
    assert client[1] not in on_disk
    assert any(client[1] in path.read_text() for path in ring.iterdir())
    assert (await cli.run("profiles", "--forget", "default")).code == 0
    assert not any(client[1] in path.read_text() for path in ring.iterdir())


@pytest.mark.parametrize("words", [["login", "--access-token"], ["status"], ["token"]])
async def test_an_invalid_store_url_is_reported(cli: CommandLine, words: list[str]) -> None:
    if words[0] == "login":
        done = await cli.run(*words, "--store", "file://[/tokens", stdin="token")
    else:
        await cli.sign_in()
        path = cli.home / ".config/bitbucket-auth/profiles.json"
        path.write_text(path.read_text().replace("file:bitbucket-auth", "file://[/tokens"))
        done = await cli.run(*words)
    assert (done.code, done.out) == (1, "")
    assert is_one_sentence(done)


@pytest.mark.parametrize("words", [["login", "--access-token"], ["login", "--no-browser"]])
async def test_undecodable_input_is_reported_in_every_locale(cli: CommandLine, words: list[str]) -> None:
    # Python's default in a UTF-8 locale, which not every machine has.
    process = await cli.start(*words, environ={"PYTHONIOENCODING": "utf-8:strict"})
    _, said = await asyncio.wait_for(process.communicate("http://a?b\n".encode("utf-16")), 60)
    assert process.returncode == 1
    assert b"Traceback" not in said


async def test_an_undecodable_client_id_is_reported(cli: CommandLine) -> None:
    cli.environ["BITBUCKET_CLIENT_ID"] = "\udcff"
    done = await cli.run(*cli.login_words("--no-browser"))
    assert (done.code, done.out) == (1, "")
    assert is_one_sentence(done)
    assert "client_id" in done.err


async def test_an_invalid_port_in_the_profile_file_is_reported(cli: CommandLine) -> None:
    await cli.sign_in()
    path = cli.home / ".config/bitbucket-auth/profiles.json"
    path.write_text(path.read_text().replace(f'"port":{cli.port}', '"port":65536'))
    done = await cli.run("login")
    assert (done.code, done.out) == (1, "")
    assert is_one_sentence(done)
    assert str(path) in done.err


async def test_a_damaged_profile_file_is_reported_and_stays_unchanged(cli: CommandLine) -> None:
    path = cli.home / ".config/bitbucket-auth/profiles.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    for words in (["token"], ["login"], ["profiles"]):
        done = await cli.run(*words)
        assert done.code == 1
        assert is_one_sentence(done)
        assert str(path) in done.err
    assert path.read_text() == "{"


async def test_r5_after_a_clock_change_no_expired_token_is_printed(cli: CommandLine) -> None:
    await cli.sign_in()
    for seconds in (3600, -3600):  # the token seems an hour older, or from the future
        await cli.age(seconds)
        done = await cli.run("token")
        assert done.code == 0
        assert cli.fake.is_live(done.out.strip())
    assert cli.fake.token_requests == 3


async def test_a_new_user_is_guided_and_the_secret_is_not_shown(cli: CommandLine) -> None:
    client = (cli.environ.pop("BITBUCKET_CLIENT_ID"), cli.environ.pop("BITBUCKET_CLIENT_SECRET"))
    process, mine, its = await start_in_terminal(cli, *cli.login_words("--client-credentials"))
    said = await read_until(mine, "Key: ")
    assert f"Callback URL: {cli.callback}" in said
    assert "This is a private consumer: tick it" in said
    os.write(mine, f"{client[0]}\n".encode())
    await read_until(mine, "(not shown): ")
    os.write(mine, f"{client[1]}\n".encode())
    said = await read_until(mine, "Signed in")
    assert client[1] not in said
    assert await process.wait() == 0
    os.close(mine)
    os.close(its)
    # It is saved for later renewals.
    (key,) = await cli.store.keys()
    await cli.age(3600, key)
    assert (await cli.run("token")).code == 0
    kept = cli.home / ".local/share/bitbucket-auth/client-secrets.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (await cli.run("profiles", "--forget", "default")).code == 0
    assert client[1] not in kept.read_text()


@pytest.mark.parametrize("prompt", ["Key: ", "(not shown): ", "paste it here:"])
async def test_ctrl_c_at_each_prompt_saves_nothing_and_restores_the_terminal(cli: CommandLine, prompt: str) -> None:
    if "paste" not in prompt:
        del cli.environ["BITBUCKET_CLIENT_ID"], cli.environ["BITBUCKET_CLIENT_SECRET"]
    process, mine, its = await start_in_terminal(cli, *cli.login_words("--no-browser"))
    if "show" in prompt:
        await read_until(mine, "Key: ")
        os.write(mine, b"some-key\n")
    await read_until(mine, prompt)
    await wait_until_idle(process)  # it reads
    os.write(mine, b"\x03")
    said = await read_until(mine, "Interrupted.")
    assert await process.wait() == 130
    assert "Traceback" not in said
    assert echoes(its)
    os.close(mine)
    os.close(its)
    assert not cli.tokens.exists()
    assert not (cli.home / ".local/share/bitbucket-auth/client-secrets.json").exists()
