"""`api`: one request, a whole list, and the reports of failures."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.scripted_server import always, answer, scripted_server
from tests.support.command_line import CommandLine
from tests.support.terminal import read_until, start_in_terminal


async def test_the_path_may_be_short_or_a_full_url(cli: CommandLine) -> None:
    await cli.sign_in()
    for path in ("/user", "user", "/2.0/user", f"{cli.site.base_url}/2.0/user"):
        done = await cli.run("api", "get", path)
        assert (done.code, done.err) == (0, ""), path
        assert json.loads(done.out)["username"] == "ada"


async def test_paginate_prints_all_pages_as_one_list(cli: CommandLine) -> None:
    await cli.sign_in()
    cli.fake.rest.repositories = 250
    done = await cli.run("api", "GET", "/repositories/acme", "--paginate")
    assert (done.code, done.err) == (0, "")
    assert [item["full_name"] for item in json.loads(done.out)] == [f"acme/acme-{n}" for n in range(1, 251)]
    short = await cli.run("api", "GET", "/repositories/acme?pagelen=60", "--paginate")
    assert len(json.loads(short.out)) == 250
    cli.fake.rest.repositories = 0
    assert json.loads((await cli.run("api", "GET", "/repositories/acme", "--paginate")).out) == []


async def test_on_a_terminal_the_progress_bar_is_only_on_standard_error(cli: CommandLine, tmp_path: Path) -> None:
    await cli.sign_in()
    cli.fake.rest.repositories = 250
    with (tmp_path / "list.json").open("wb") as list_file:
        words = ("api", "GET", "/repositories/acme", "--paginate")
        process, mine, its = await start_in_terminal(cli, *words, stdout=list_file)
        said = await read_until(mine, "250/250")
        assert await process.wait() == 0
        os.close(mine)
        os.close(its)
    assert "acme-1" not in said
    assert len(json.loads((tmp_path / "list.json").read_bytes())) == 250


async def test_on_a_terminal_json_cannot_move_the_cursor(cli: CommandLine) -> None:
    await cli.login()
    nasty = r"\u001b[2J\u009b2J\u202eZo@\ud800\udb40\udc01".replace("@", "\u00eb")
    page = f'{{"values": [{{"description": "{nasty}", "end": "here"}}]}}'.replace(r"\u009b", "\x9b")
    for words in (("/x",), ("/x", "--paginate")):
        with cli.fake.inject(faults.body(page.encode()), at="api"):
            process, mine, its = await start_in_terminal(cli, "api", "GET", *words)
            seen = await read_until(mine, "here")
            assert await process.wait() == 0
        os.close(mine)
        os.close(its)
        assert f'"{nasty}"' in seen


async def test_a_file_is_printed_unchanged_except_on_a_terminal(cli: CommandLine, tmp_path: Path) -> None:
    await cli.login()
    file = "+\tcaf\u00e9\n\x1b[2J\x9b2Jhere".encode() + b"\xff\x9b"
    with cli.fake.inject(faults.body(file, content_type="text/plain"), at="api", times=None):
        process, mine, its = await start_in_terminal(cli, "api", "GET", "/x")
        seen = await read_until(mine, "here")
        assert await process.wait() == 0
        os.close(mine)
        os.close(its)
        with (tmp_path / "file").open("wb") as kept:
            process, mine, its = await start_in_terminal(cli, "api", "GET", "/x", stdout=kept)
            assert await process.wait() == 0
        os.close(mine)
        os.close(its)
    assert "caf\u00e9" in seen
    assert "\x1b" not in seen
    assert "\x9b" not in seen
    assert (tmp_path / "file").read_bytes() == file


async def test_a_circular_list_is_an_error(cli: CommandLine) -> None:
    await cli.login()
    page = json.dumps({"values": [1], "next": f"{cli.site.base_url}/2.0/x?page=2"}).encode()
    with cli.fake.inject(faults.body(page), at="api", times=None):
        done = await cli.run("api", "GET", "/x", "--paginate")
    assert done.code == 1
    assert "the pages form a loop" in done.err


async def test_r4_an_expired_token_is_renewed_first(cli: CommandLine) -> None:
    await cli.sign_in()
    await cli.age(3600)
    cli.fake.expire_access_tokens()
    assert (await cli.run("api", "GET", "/user")).code == 0
    assert cli.fake.token_requests == 2


async def test_a_missing_scope_is_named(cli: CommandLine) -> None:
    cli.fake.registration().scope = frozenset({"account"})
    await cli.sign_in()
    done = await cli.run("api", "GET", "/repositories/acme")
    assert (done.code, done.out) == (1, "")
    assert "repository" in done.err
    assert "sign in again" in done.err


async def test_r12_the_token_is_sent_to_no_other_host(cli: CommandLine) -> None:
    await cli.sign_in()
    async with scripted_server(always(answer(200, b"{}"))) as elsewhere:
        for path in (f"{elsewhere.origin}/2.0/user", f"//{elsewhere.origin.partition('//')[2]}/user", "/../user"):
            done = await cli.run("api", "GET", path)
            assert done.code == 1, path
            assert "Traceback" not in done.err
        cli.fake.rest.base_url = elsewhere.origin  # its `next` links lead there
        done = await cli.run("api", "GET", "/repositories/acme?pagelen=5", "--paginate")
        assert done.code == 1
        assert await cli.access_token() not in done.err
    assert elsewhere.received == []


async def test_a_missing_resource_exits_with_1_and_an_outage_with_4(cli: CommandLine) -> None:
    await cli.sign_in()
    gone = await cli.run("api", "GET", "/repositories/acme/nothing")
    assert (gone.code, gone.out) == (1, "")
    assert "404" in gone.err
    no_list = await cli.run("api", "GET", "/user", "--paginate")
    assert (no_list.code, no_list.out) == (1, "")
    assert "the response has no list of values" in no_list.err
    with cli.fake.inject(faults.status(503, retry_after=9999), times=None, at="api"):
        down = await cli.run("api", "GET", "/user")
    assert (down.code, down.out) == (4, "")


async def test_a_fake_bitbucket_is_not_waited_for_as_long_as_bitbucket(cli: CommandLine) -> None:
    await cli.sign_in()
    with cli.fake.inject(faults.status(503, retry_after=10), times=None, at="api") as outage:
        down = await cli.run("api", "GET", "/user")
    assert (down.code, down.out, outage.hits) == (4, "", 1)


async def test_json_that_is_nested_too_deep_is_an_error(cli: CommandLine) -> None:
    await cli.sign_in()
    done = await cli.run("api", "POST", "/repositories/acme/acme-1", "--input", "-", stdin="[" * 200_000)
    assert (done.code, done.err) == (1, "Standard input is not valid JSON.\n")
    for words in (["/user"], ["/repositories/acme", "--paginate"]):
        with cli.fake.inject(faults.body(b"[" * 200_000), at="api", times=None):
            deep = await cli.run("api", "GET", *words)
        assert (deep.code, deep.out, len(deep.err.splitlines())) == (4, "", 1), words
    with cli.fake.inject(faults.body(b"[" * 200_000), at="api"):
        status = await cli.run("status")
    assert (status.code, "the API does not tell" in status.out, status.err) == (0, True, "")


async def test_the_input_must_be_json_and_reaches_the_api(cli: CommandLine) -> None:
    await cli.sign_in()
    wrong = await cli.run("api", "POST", "/repositories/acme/acme-1", "--input", "-", stdin="{")
    assert wrong.code == 1
    assert "is not valid JSON" in wrong.err
    missing = await cli.run("api", "POST", "/repositories/acme/acme-1", "--input", "missing.json")
    assert (missing.code, missing.err) == (1, "missing.json can't be read (No such file or directory).\n")
    sent = await cli.run("api", "POST", "/repositories/acme/acme-1", "--input", "-", stdin='{"name": "x"}')
    assert sent.code == 1
    assert "405" in sent.err  # the fake supports no changes
    assert (await cli.run("api", "POST", "/user", "--paginate")).code == 2
    assert (await cli.run("api", "GET", "/user", "--input", "-")).code == 2


@pytest.mark.parametrize("words", [["/user"], ["G-E-T", "/user"], ["/user", "get"]])
async def test_without_a_method_the_error_shows_where_it_goes(cli: CommandLine, words: list[str]) -> None:
    wrong = await cli.run("api", *words)
    assert wrong.code == 2
    assert "bitbucket-auth api GET /user" in wrong.err


async def test_the_method_may_be_lower_case(cli: CommandLine) -> None:
    await cli.sign_in()
    assert (await cli.run("api", "get", "/user")).code == 0


@pytest.mark.parametrize("store", ["file:bitbucket-auth", "sqlite://{home}/tokens.db"])
async def test_a_fresh_token_needs_no_secret(cli: CommandLine, store: str) -> None:
    await cli.login("--store", store.format(home=cli.home))
    del cli.environ["BITBUCKET_CLIENT_SECRET"], cli.environ["BITBUCKET_CLIENT_ID"]
    for words in (["token"], ["token", "--verbose"], ["api", "GET", "/user"]):
        done = await cli.run(*words)
        assert (done.code, done.err) == (0, ""), words
    asked = await cli.run("git-credential", "get", stdin=cli.git_request())
    assert "password=" in asked.out
    assert cli.fake.token_requests == 1


async def test_a_renewal_without_a_secret_names_the_variable_to_set(cli: CommandLine) -> None:
    await cli.login()
    del cli.environ["BITBUCKET_CLIENT_SECRET"], cli.environ["BITBUCKET_CLIENT_ID"]
    await cli.age(3400)  # valid for three more minutes
    for words in (["token"], ["api", "GET", "/user"]):
        done = await cli.run(*words)
        assert (done.code, done.out) == (1, ""), words
        assert "set BITBUCKET_CLIENT_SECRET" in done.err


async def test_a_token_without_an_expiry_needs_the_secret(cli: CommandLine) -> None:
    await cli.sign_in()
    found = await cli.store.load("default")
    assert found is not None
    assert found.record.token is not None
    endless = replace(found.record, token=replace(found.record.token, expires_at=None))
    assert await cli.store.swap("default", endless, expected=found.version)
    del cli.environ["BITBUCKET_CLIENT_SECRET"], cli.environ["BITBUCKET_CLIENT_ID"]
    done = await cli.run("token")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("The secret of client"), done.err


async def test_a_401_that_cannot_be_renewed_without_the_secret_is_reported(cli: CommandLine) -> None:
    await cli.login()
    await cli.age(120)
    cli.fake.expire_access_tokens()
    del cli.environ["BITBUCKET_CLIENT_SECRET"], cli.environ["BITBUCKET_CLIENT_ID"]
    done = await cli.run("api", "GET", "/user")
    assert (done.code, done.out) == (1, "")
    assert "401" in done.err
    assert cli.fake.token_requests == 1
