"""Git's credential protocol: which requests the helper answers, and how."""

import base64

import pytest

from bitbucket_auth_async.bearer.static_credentials import AccessToken, ApiToken
from bitbucket_auth_async.cli.git.credential_request import CredentialRequest, git_user_for
from tests.support.command_line import CommandLine

CLOUD = "https://bitbucket.org"


def asked(*lines: str) -> CredentialRequest:
    return CredentialRequest("".join(f"{line}\n" for line in (*lines, "")).encode())


def test_bitbucket_over_https_is_answered() -> None:
    assert asked("protocol=https", "host=bitbucket.org").is_for(CLOUD)
    assert asked("protocol=https", "host=BitBucket.org", "path=acme/tool.git").is_for(CLOUD)
    assert asked("protocol=https", "host=bitbucket.org", "username=ada").is_for(CLOUD)


@pytest.mark.parametrize(
    "lines",
    [
        ("protocol=http", "host=bitbucket.org"),
        ("protocol=https", "host=bitbucket.org.evil.example"),
        ("protocol=https", "host=evil-bitbucket.org"),
        ("protocol=https", "host=api.bitbucket.org"),
        ("protocol=https", "host=bitbucket.org:8443"),
        ("protocol=https", "host=bitbucket.org@evil.example"),
        ("protocol=https", "host=bitbucket.org "),
        ("protocol=https", "host=b\u0131tbucket.org"),
        ("protocol=https", "host=bitbucket.org\0.evil.example"),
        ("protocol=https",),
        ("host=bitbucket.org",),
        ("protocol=https", "", "host=bitbucket.org"),
        ("protocol=https", "host=bitbucket.org", "host=evil.example"),
        ("protocol=https", "host=bitbucket.org", "username=x-bitbucket-api-token-auth"),
    ],
)
def test_r12_no_other_host_gets_the_token(lines: tuple[str, ...]) -> None:
    assert not asked(*lines).is_for(CLOUD)


def test_an_old_git_gets_user_name_password_and_expiry() -> None:
    answer = asked("protocol=https", "host=bitbucket.org").answer("the-token", 1234.9)
    assert answer == "username=x-token-auth\npassword=the-token\npassword_expiry_utc=1234\n"


def test_a_git_with_authtype_gets_an_ephemeral_credential() -> None:
    request = asked("capability[]=authtype", "capability[]=state", "protocol=https", "host=bitbucket.org")
    lines = request.answer("the-token", 1234.0).splitlines()
    pair = base64.b64encode(b"x-token-auth:the-token").decode()
    assert lines[0] == "capability[]=authtype"
    assert lines[1:] == ["authtype=Basic", f"credential={pair}", "ephemeral=1", "password_expiry_utc=1234"]


def test_a_refused_token_is_recognized_in_both_forms() -> None:
    pair = base64.b64encode(b"x-token-auth:the-token").decode()
    assert asked("password=the-token").presents("the-token")
    assert asked("authtype=Basic", f"credential={pair}").presents("the-token")
    assert not asked("password=another").presents("the-token")
    assert not asked("username=x-token-auth").presents("the-token")


@pytest.mark.parametrize("data", [b"", b"\n", b"=\n", b"\xff=\xfe\n", b"protocol\nhost\n", b"a" * 2_000_000])
def test_garbage_is_not_answered(data: bytes) -> None:
    assert not CredentialRequest(data).is_for(CLOUD)


async def test_get_gives_the_token_and_renews_it_first_if_that_is_due(cli: CommandLine) -> None:
    await cli.sign_in()
    done = await cli.run("git-credential", "get", stdin=cli.git_request())
    first = await cli.access_token()
    assert f"username=x-token-auth\npassword={first}\n" in done.out
    await cli.age(3400)
    again = await cli.run("git-credential", "get", stdin=cli.git_request())
    assert await cli.access_token() != first
    assert f"password={await cli.access_token()}\n" in again.out


async def test_r12_get_prints_nothing_for_other_hosts(cli: CommandLine) -> None:
    await cli.sign_in()
    for _ in range(2):
        for host in ("bitbucket.org", "127.0.0.1", f"{cli.site.base_url[7:]}.evil.example"):
            done = await cli.run("git-credential", "get", stdin=cli.git_request(host=host))
            assert (done.code, done.out) == (0, "")
        await cli.age(3600)
    assert cli.fake.token_requests == 1


async def test_store_changes_nothing(cli: CommandLine) -> None:
    await cli.sign_in()
    before = cli.tokens.read_bytes()
    done = await cli.run("git-credential", "store", stdin=cli.git_request(username="x-token-auth", password="p"))
    assert (done.code, done.out) == (0, "")
    assert cli.tokens.read_bytes() == before


async def test_unknown_actions_are_ignored(cli: CommandLine) -> None:
    """https://git-scm.com/docs/gitcredentials: a helper silently ignores any other operation."""
    await cli.login()
    done = await cli.run("git-credential", "capability", stdin=cli.git_request())
    assert done == (0, "", "")


async def test_r10_erase_renews_only_the_refused_token(cli: CommandLine) -> None:
    await cli.sign_in()
    await cli.age(120)
    token = await cli.access_token()
    for refused in ({"password": "another"}, {}, {"password": token, "host": "evil.example"}):
        done = await cli.run("git-credential", "erase", stdin=cli.git_request(**refused))
        assert done.code == 0
        assert await cli.access_token() == token
    done = await cli.run("git-credential", "erase", stdin=cli.git_request(username="x-token-auth", password=token))
    assert done.code == 0, done
    assert await cli.access_token() != token
    assert cli.fake.token_requests == 2


def test_each_kind_of_token_has_its_git_user_name() -> None:
    users = {
        kind: git_user_for(kind) for kind in ("api_token", "access_token", "authorization_code", "client_credentials")
    }
    oauth = AccessToken.git_username
    assert users == {
        "api_token": ApiToken.git_username,
        "access_token": oauth,
        "authorization_code": oauth,
        "client_credentials": oauth,
    }


OAUTH, API = "x-token-auth", "x-bitbucket-api-token-auth"


@pytest.mark.parametrize("ours, theirs", [(OAUTH, API), (API, OAUTH)])
def test_requests_for_the_other_kind_of_credential_are_left_to_other_helpers(ours: str, theirs: str) -> None:
    for user, answered in ((ours, True), ("ada", True), (theirs, False)):
        request = CredentialRequest(f"protocol=https\nhost=bitbucket.org\nusername={user}".encode(), ours)
        assert request.is_for(CLOUD) is answered
        assert request.answer("the-token", None) == f"username={ours}\npassword=the-token\n"


def test_an_api_token_is_recognized_and_given_in_both_forms() -> None:
    pair = base64.b64encode(f"{API}:the-token".encode()).decode()
    capable = CredentialRequest(b"capability[]=authtype\nprotocol=https\nhost=bitbucket.org", API)
    assert f"credential={pair}\n" in capable.answer("the-token", None)
    assert "password_expiry_utc" not in capable.answer("the-token", None)
    assert CredentialRequest(f"credential={pair}".encode(), API).presents("the-token")
    assert not CredentialRequest(f"credential={pair}".encode()).presents("the-token")


@pytest.mark.parametrize("kind", ["--access-token", "--api-token"])
async def test_a_static_token_is_given_under_its_own_user_name(cli: CommandLine, kind: str) -> None:
    token = cli.fake.sign_in().access_token if kind == "--access-token" else cli.fake.issue_api_token()
    assert (await cli.static_login(kind, token, "--expires", "2099-12-31")).code == 0
    name, other = (OAUTH, API) if kind == "--access-token" else (API, OAUTH)
    expected = f"username={name}\npassword={token}\npassword_expiry_utc=4102444799\n"
    for more in ((), ("--verbose",)):  # the fast path, and the whole program
        for asked in ({}, {"username": "ada"}, {"username": name}):
            done = await cli.run("git-credential", "get", *more, stdin=cli.git_request(**asked))
            assert (done.code, done.out, done.err) == (0, expected, ""), asked
        for asked in ({"username": other}, {"host": "evil.example"}):
            done = await cli.run("git-credential", "get", *more, stdin=cli.git_request(**asked))
            assert (done.code, done.out, done.err) == (0, "", ""), asked


@pytest.mark.parametrize("kind", ["--access-token", "--api-token"])
async def test_erase_and_store_do_not_change_a_static_token(cli: CommandLine, kind: str) -> None:
    token = cli.fake.sign_in().access_token if kind == "--access-token" else cli.fake.issue_api_token()
    assert (await cli.static_login(kind, token)).code == 0
    before = cli.tokens.read_bytes()
    for action, password in (("store", token), ("erase", "another"), ("erase", token)):
        done = await cli.run("git-credential", action, stdin=cli.git_request(password=password))
        assert (done.code, done.out) == (0, "")
        assert ("Bitbucket refused" in done.err) == ((action, password) == ("erase", token))
    assert cli.tokens.read_bytes() == before
