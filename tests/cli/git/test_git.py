"""Git over HTTP with the helper that git-setup configured: clone, fetch, push, and expired tokens."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bitbucket_auth_async.testing.fake import faults
from tests.support.command_line import CommandLine, RunResult

GIT = shutil.which("git") or "git"


def git(*words: str, where: Path) -> str:
    """Run Git without any credentials."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(where), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main")
    return subprocess.run(
        [GIT, *who, *words], cwd=where, env=environ, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(cli: CommandLine, tmp_path: Path) -> str:
    """The clone URL of a repository with one commit."""
    bare = tmp_path / "repositories" / "acme" / "tool.git"
    bare.mkdir(parents=True)
    git("init", "--bare", ".", where=bare)
    git("config", "http.receivepack", "true", where=bare)
    seed = tmp_path / "seed"
    seed.mkdir()
    git("init", ".", where=seed)
    (seed / "readme").write_text("hello\n")
    git("add", ".", where=seed)
    git("commit", "-m", "Begin", where=seed)
    git("push", str(bare), "HEAD:main", where=seed)
    return f"{cli.site.base_url}/acme/tool.git"


async def as_ada(cli: CommandLine, *words: str, where: Path | None = None) -> RunResult:
    """Run Git in the user's home, with the configuration that git-setup wrote."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    return await cli.run_process(*who, *words, command=("git",), cwd=where or cli.home)


async def set_up(cli: CommandLine) -> None:
    await cli.sign_in()
    done = await cli.run("git-setup")
    assert done.code == 0, done


async def test_clone_fetch_and_push_use_the_token_and_renew_an_expired_one(cli: CommandLine, repository: str) -> None:
    await set_up(cli)
    cloned = await as_ada(cli, "clone", repository, "tool")
    assert cloned.code == 0, cloned.err
    tool = cli.home / "tool"
    first = await cli.access_token()
    assert cli.fake.token_requests == 1  # the sign-in

    cli.fake.expire_access_tokens()
    await cli.age(3600)
    fetched = await as_ada(cli, "fetch", where=tool)
    assert fetched.code == 0, fetched.err
    assert await cli.access_token() != first
    assert cli.fake.token_requests == 2
    assert cli.git_server.refused == 0  # renewed first, not after a refusal

    (tool / "more").write_text("more\n")
    await as_ada(cli, "add", ".", where=tool)
    await as_ada(cli, "commit", "-m", "More", where=tool)
    pushed = await as_ada(cli, "push", "origin", "HEAD:main", where=tool)
    assert pushed.code == 0, pushed.err
    assert "More" in git("log", "--format=%s", "main", where=cli.git_server.folder / "acme" / "tool.git")
    assert cli.fake.token_requests == 2


async def test_r1_four_clones_at_expiry_renew_once(cli: CommandLine, repository: str) -> None:
    await set_up(cli)
    cli.fake.expire_access_tokens()
    await cli.age(3600)
    with cli.fake.inject(faults.latency(0.5), times=None):  # so that they overlap
        clones = await asyncio.gather(*(as_ada(cli, "clone", repository, f"tool{number}") for number in range(4)))
    assert [clone.code for clone in clones] == [0] * 4, clones
    assert cli.fake.token_requests == 2
    assert cli.fake.second_spends == []


async def test_a_refused_token_is_renewed(cli: CommandLine, repository: str) -> None:
    await set_up(cli)
    await cli.age(120)  # a token younger than a minute is not renewed
    cli.fake.expire_access_tokens()  # the server revokes it; by our clock it is still valid
    refused = await as_ada(cli, "clone", repository, "tool")
    assert refused.code != 0
    assert cli.fake.token_requests == 2
    again = await as_ada(cli, "clone", repository, "tool")
    assert again.code == 0, again.err


async def test_a_clone_with_a_fresh_token_needs_no_variables(cli: CommandLine, repository: str) -> None:
    await set_up(cli)
    for name in ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET"):
        del cli.environ[name]
    cloned = await as_ada(cli, "clone", repository, "tool")
    assert cloned.code == 0, cloned.err


async def test_no_other_helper_stores_the_token(cli: CommandLine, repository: str) -> None:
    kept = cli.home / "kept"
    await as_ada(cli, "config", "--global", "credential.helper", f"store --file={kept}")
    await set_up(cli)
    cloned = await as_ada(cli, "clone", repository, "tool")
    assert cloned.code == 0, cloned.err
    assert not kept.exists()


async def test_a_second_setup_changes_nothing_and_undo_restores_the_configuration(cli: CommandLine) -> None:
    await cli.sign_in()
    name = f"credential.{cli.site.base_url}.helper"
    for value in ("", "cache", "", "store"):
        await as_ada(cli, "config", "--global", "--add", name, value)
    before = (cli.home / ".gitconfig").read_text()
    await cli.run("git-setup")
    once = (cli.home / ".gitconfig").read_text()
    await cli.run("git-setup")
    assert (cli.home / ".gitconfig").read_text() == once != before
    done = await cli.run("git-setup", "--undo")
    assert done.code == 0, done
    assert (cli.home / ".gitconfig").read_text() == before
    again = await cli.run("git-setup", "--undo")
    assert "nothing" in again.err


async def test_another_helper_in_another_encoding_is_preserved(cli: CommandLine) -> None:
    await cli.login()
    before = f'[credential "{cli.site.base_url}"]\n\thelper = '.encode() + b'"/opt/Zo\xeb/helper"\n\thelper =\n'
    (cli.home / ".gitconfig").write_bytes(before)
    for words in (("git-setup",), ("doctor",), ("git-setup", "--undo")):
        done = await cli.run(*words)
        assert "Traceback" not in done.err
    assert b"helper = /opt/Zo\xeb/helper" in (cli.home / ".gitconfig").read_bytes().replace(b'"', b"")
    assert b"git-credential" not in (cli.home / ".gitconfig").read_bytes()


async def test_setup_can_be_limited_to_one_repository(cli: CommandLine, repository: str) -> None:
    await cli.sign_in()
    outside = await cli.run("git-setup", "--local", cwd=cli.home)
    assert outside.code == 1
    assert "inside a repository" in outside.err
    await as_ada(cli, "init", "here")
    here = cli.home / "here"
    done = await cli.run("git-setup", "--local", cwd=here)
    assert done.code == 0, done
    assert not (cli.home / ".gitconfig").exists()
    fetched = await as_ada(cli, "fetch", repository, where=here)
    assert fetched.code == 0, fetched.err
    undone = await cli.run("git-setup", "--local", "--undo", cwd=here)
    assert undone.code == 0
    assert "git-credential" not in (here / ".git" / "config").read_text()


async def test_git_calls_the_installed_command(cli: CommandLine) -> None:
    await cli.login()
    installed = Path(sys.executable).parent / "bitbucket-auth"
    done = await cli.run_process("git-setup", command=(str(installed),))
    assert done.code == 0, done
    assert f"!{installed} git-credential --profile default" in (cli.home / ".gitconfig").read_text()


@pytest.mark.parametrize("kind", ["--access-token", "--api-token"])
@pytest.mark.parametrize("user", ["", "ada@"])
async def test_clone_and_push_with_a_static_token(cli: CommandLine, repository: str, kind: str, user: str) -> None:
    token = cli.fake.sign_in().access_token if kind == "--access-token" else cli.fake.issue_api_token()
    assert (await cli.static_login(kind, token, "--expires", "2099-12-31")).code == 0
    assert (await cli.run("git-setup")).code == 0
    cloned = await as_ada(cli, "clone", repository.replace("://", f"://{user}"), "tool")
    assert cloned.code == 0, cloned.err
    tool = cli.home / "tool"
    (tool / "more").write_text("more\n")
    await as_ada(cli, "add", ".", where=tool)
    await as_ada(cli, "commit", "-m", "More", where=tool)
    pushed = await as_ada(cli, "push", "origin", "HEAD:main", where=tool)
    assert pushed.code == 0, pushed.err
    assert "More" in git("log", "--format=%s", "main", where=cli.git_server.folder / "acme" / "tool.git")
    # If the URL contains a user name, Git first tries it without a password.
    assert cli.git_server.refused == (2 if user else 0)
    assert token not in cloned.err + pushed.err


@pytest.mark.parametrize("kind", ["--access-token", "--api-token"])
async def test_a_refused_static_token_is_kept_and_the_helper_says_what_to_do(
    cli: CommandLine, repository: str, kind: str
) -> None:
    token = cli.fake.sign_in().access_token if kind == "--access-token" else cli.fake.issue_api_token()
    assert (await cli.static_login(kind, token)).code == 0
    assert (await cli.run("git-setup")).code == 0
    cli.fake.kill_access_token(token)
    refused = await as_ada(cli, "clone", repository, "tool")
    assert refused.code != 0
    assert f"Then run: bitbucket-auth login {kind} --profile default" in refused.err
    assert token not in refused.err
    assert await cli.access_token() == token  # Bitbucket shows it only once
