"""get_access_token: each option of the npm package, against a fake Bitbucket under its real host names."""

import errno
import json
import os
import pwd
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bitbucket_auth_async.errors import (
    ConfigurationError,
    InvalidClientError,
    InvalidGrantError,
    LoginRequiredError,
    OAuthError,
    StoreError,
    UnavailableError,
)
from bitbucket_auth_async.npm.get_access_token import get_access_token
from bitbucket_auth_async.npm.hooks import Answer, Hooks, handle_error
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.client_settings import opts, set_env_vars
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket


@pytest.fixture
async def fake() -> AsyncIterator[FakeBitbucket]:
    async with mock_bitbucket() as fake:
        yield fake


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {**opts.valid, "config_path": str(tmp_path / "tokens.json")}


def _grants(fake: FakeBitbucket) -> list[str | None]:
    return [entry.grant_type for entry in fake.log]


def _write(options: dict[str, Any], content: object) -> None:
    Path(options["config_path"]).write_text(json.dumps(content), encoding="utf-8")


def _age(options: dict[str, Any], seconds: float) -> None:
    """Make the stored tokens older."""
    content = json.loads(Path(options["config_path"]).read_text(encoding="utf-8"))
    for record in content["records"].values():
        record["record"]["token"]["issued_at"] -= seconds
        record["record"]["token"]["expires_at"] -= seconds
    _write(options, content)


async def test_the_clients_own_credentials_are_used_if_nothing_else_is_given(
    fake: FakeBitbucket, options: dict[str, Any]
) -> None:
    token = await get_access_token(**options)
    assert fake.is_live(token.access_token)
    assert _grants(fake) == ["client_credentials"]


async def test_a_stored_token_that_is_fresh_costs_no_request(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    first = await get_access_token(**options)
    assert await get_access_token(**options) == first
    assert fake.token_requests == 1


async def test_an_expired_token_of_the_client_is_replaced_by_its_credentials(
    fake: FakeBitbucket, options: dict[str, Any]
) -> None:
    fake.rules.lifetime = 0.05
    first = await get_access_token(**options)
    fake.rules.lifetime = 3600
    while time.time() < (first.expires_at or 0):
        pass
    assert fake.is_live((await get_access_token(**options)).access_token)
    assert _grants(fake) == ["client_credentials", "client_credentials"]


async def test_a_given_refresh_token_is_used_and_its_successor_stored(
    fake: FakeBitbucket, options: dict[str, Any]
) -> None:
    given = fake.sign_in().refresh_token
    token = await get_access_token(**options, refresh_token=given)
    assert token.refresh_token != given
    assert _grants(fake) == ["refresh_token"]
    assert await get_access_token(**options, refresh_token=given) == token  # the stored token is used first
    assert fake.token_requests == 1


async def test_the_file_of_the_npm_package_is_read_once(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    _write(options, {"refreshToken": fake.sign_in().refresh_token})
    token = await get_access_token(**options)
    assert fake.is_live(token.access_token)
    assert _grants(fake) == ["refresh_token"]
    assert await get_access_token(**options) == token


async def test_the_npm_packages_file_in_the_home_directory_is_used(
    fake: FakeBitbucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / ".fake-app").write_text(json.dumps({"refreshToken": fake.sign_in().refresh_token}))
    token = await get_access_token(**opts.valid)
    assert await get_access_token(**opts.valid) == token
    assert _grants(fake) == ["refresh_token"]


async def test_another_programs_file_in_the_home_directory_is_ignored(
    fake: FakeBitbucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / ".fake-app").write_text("export LESS=1")
    await get_access_token(**opts.valid)
    assert _grants(fake) == ["client_credentials"]
    assert (tmp_path / ".fake-app").read_text() == "export LESS=1"


@pytest.mark.parametrize("home", ["unknown", "another user's"])
async def test_an_unknown_or_foreign_home_directory_is_ignored(
    fake: FakeBitbucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    refuses = OSError(errno.EACCES, os.strerror(errno.EACCES))  # root, who runs this in CI, may read every directory

    def is_file(path: Path) -> bool:
        if path.name == ".fake-app":
            raise refuses
        return path.is_file()

    def nobody_knows(uid: int) -> NoReturn:
        raise KeyError(uid)

    if home == "unknown":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", nobody_knows)
    else:
        monkeypatch.setattr(Path, "is_file", is_file)
    await get_access_token(**opts.valid)
    assert _grants(fake) == ["client_credentials"]


async def test_a_home_directory_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    options: dict[str, Any] = {**opts.valid, "app_name": "a" * 300}
    with pytest.raises(StoreError, match="The name is too long"):
        await get_access_token(**options)


async def test_force_credentials_ignores_the_stored_token(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    first = await get_access_token(**options)
    assert await get_access_token(**options, force_credentials=True) != first
    assert _grants(fake) == ["client_credentials", "client_credentials"]


async def test_use_refresh_token_gets_the_token_and_decides(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    seen: list[str | None] = []
    given = fake.sign_in().refresh_token

    def no(refresh_token: str | None) -> bool:
        seen.append(refresh_token)
        return False

    await get_access_token(**options, refresh_token=given, use_refresh_token=no)
    assert seen == [given]
    assert _grants(fake) == ["client_credentials"]


async def test_a_code_is_exchanged_with_its_redirect_uri(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    redirect_uri = fake.registration().callback or ""
    query = {"client_id": fake.client.client_id, "response_type": "code", "redirect_uri": redirect_uri}
    code = fake.authorize(query).partition("code=")[2].partition("&")[0]
    token = await get_access_token(**options, code=code, redirect_uri=redirect_uri)
    assert token.refresh_token is not None
    assert _grants(fake) == ["authorization_code"]


async def test_name_and_password_are_sent_to_a_server_with_the_password_grant(options: dict[str, Any]) -> None:
    async with mock_bitbucket(FakeBitbucket(legacy=True)) as fake:
        person = fake.register_person("alice", password="secret")
        token = await get_access_token(**options, username=person.username, password="secret")
        assert fake.is_live(token.access_token)
        assert _grants(fake) == ["password"]


async def test_the_provider_is_called_only_for_a_full_credentials_request(
    fake: FakeBitbucket, options: dict[str, Any]
) -> None:
    asked: list[int] = []

    async def provider() -> Client:
        asked.append(1)
        return fake.client

    await get_access_token(**options, credentials_provider=provider)
    await get_access_token(**options, credentials_provider=provider)
    assert asked == [1]


async def test_the_provider_may_return_the_client(
    fake: FakeBitbucket, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET", "bitbucketKey", "bitbucketSecret"):
        monkeypatch.delenv(name, raising=False)

    async def provider() -> Client:
        return fake.client

    del options["consumer_key"], options["consumer_secret"]
    token = await get_access_token(**options, credentials_provider=provider)
    assert fake.is_live(token.access_token)


async def test_the_environment_names_the_client(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    del options["consumer_key"], options["consumer_secret"]
    with set_env_vars(old_names=True):
        assert fake.is_live((await get_access_token(**options)).access_token)


async def test_a_refused_sign_in_is_never_replaced_by_the_clients_token(
    fake: FakeBitbucket, options: dict[str, Any]
) -> None:
    await get_access_token(**options, refresh_token=fake.sign_in().refresh_token)
    fake.revoke()
    _age(options, 3600)
    with pytest.raises(LoginRequiredError):
        await get_access_token(**options)
    assert _grants(fake) == ["refresh_token", "refresh_token"]


async def test_the_programs_own_functions_store_the_token(fake: FakeBitbucket) -> None:
    kept: dict[str, Any] = {"mine": 1}

    async def save(config: dict[str, Any]) -> None:
        kept.update(config)

    given = fake.sign_in().refresh_token
    token = await get_access_token(**opts.valid, load_config=lambda: kept, save_config=save, refresh_token=given)
    assert kept["refreshToken"] == token.refresh_token
    assert kept["mine"] == 1


async def test_an_object_with_both_methods_is_a_storage(fake: FakeBitbucket) -> None:
    class Mine:
        config: Mapping[str, Any] | None = None

        def load_config(self) -> Mapping[str, Any] | None:
            return self.config

        def save_config(self, config: dict[str, Any]) -> None:
            self.config = config

    storage = Mine()
    token = await get_access_token(**opts.valid, storage=storage)
    assert await get_access_token(**opts.valid, storage=storage) == token
    assert fake.token_requests == 1


async def test_any_store_is_a_storage(fake: FakeBitbucket) -> None:
    store = MemoryStore()
    token = await get_access_token(**opts.valid, storage=store)
    assert await get_access_token(**opts.valid, storage=store) == token
    assert fake.token_requests == 1


@pytest.mark.parametrize("name", sorted(opts.invalid))
async def test_an_option_of_the_wrong_type_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        await get_access_token(**opts.invalid[name])


@pytest.mark.parametrize(
    "options",
    [
        {"consumer_key": "k"},
        {"consumer_secret": "s"},
        {"username": "u"},
        {"password": "p"},
        {"load_config": dict},
        {"save_config": dict},
        {"app_name": ""},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_one_option_of_a_pair_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    given: dict[str, Any] = {"app_name": "a", "config_path": str(tmp_path / "c"), **options}
    if not {"consumer_key", "consumer_secret"} & options.keys():
        given |= {"consumer_key": "k", "consumer_secret": "s"}
    if "load_config" in options or "save_config" in options:
        del given["config_path"]
    with pytest.raises(ConfigurationError, match=r"without|empty"):
        await get_access_token(**given)


async def test_an_invalid_result_of_the_provider_is_refused(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    async def provider() -> Any:  # noqa: ANN401 - nonsense on purpose
        return "nonsense"

    with pytest.raises(ConfigurationError, match="credentials_provider"):
        await get_access_token(**options, credentials_provider=provider)
    assert fake.token_requests == 0


async def test_lines_go_to_the_logger(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    lines: list[str] = []
    token = await get_access_token(**options, logger=lines.append)
    assert any("client_credentials" in line for line in lines)
    assert token.access_token not in "".join(lines)
    assert fake.token_requests == 1


async def test_logging_writes_to_stderr_and_is_off_by_default(
    fake: FakeBitbucket, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    await get_access_token(**options)
    assert capsys.readouterr() == ("", "")
    await get_access_token(**options, force_credentials=True, logging=True)
    assert "fake-app: requested" in capsys.readouterr().err
    assert fake.token_requests == 2


async def test_the_error_handler_may_raise_an_error_of_its_own(options: dict[str, Any]) -> None:
    class MineError(Exception): ...

    def handler(error: BaseException) -> None:
        raise MineError from error

    options["consumer_secret"] = "wrong"
    async with mock_bitbucket():
        with pytest.raises(MineError) as caught:
            await get_access_token(**options, error_handler=handler)
    assert isinstance(caught.value.__cause__, InvalidClientError)


async def test_an_error_handler_that_returns_lets_the_error_be_raised(
    fake: FakeBitbucket, options: dict[str, Any]
) -> None:
    seen: list[BaseException] = []
    with fake.inject(faults.status(503)), pytest.raises(UnavailableError):
        await get_access_token(**options, error_handler=seen.append)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "given, note",
    [
        ({"code": "wrong"}, "Bad code?"),
        ({"consumer_secret": "wrong"}, "Bad consumer key/secret?"),
    ],
)
async def test_a_refusal_has_a_note_for_its_grant_type(
    fake: FakeBitbucket, options: dict[str, Any], given: dict[str, Any], note: str
) -> None:
    with pytest.raises(OAuthError) as caught:
        await get_access_token(**{**options, **given})
    assert caught.value.__notes__ == [note]


async def test_send_request_replaces_the_post_and_the_token_is_stored(options: dict[str, Any]) -> None:
    fake = FakeBitbucket()
    sent: list[Request] = []

    async def send(request: Request) -> Response:
        sent.append(request)
        return await fake.send(request, timeout=30)

    token = await get_access_token(**options, hooks=Hooks(send_request=send))
    assert sent[0].url == "https://bitbucket.org/site/oauth2/access_token"
    assert await get_access_token(**options) == token


async def test_domain_names_another_host(options: dict[str, Any]) -> None:
    urls: list[str] = []

    async def send(request: Request) -> Response:
        urls.append(request.url)
        return await FakeBitbucket().send(request, timeout=30)

    await get_access_token(**options, domain="bitbucket.example", hooks=Hooks(send_request=send))
    assert urls == ["https://bitbucket.example/site/oauth2/access_token"]


async def test_hooks_change_the_result_but_not_what_is_stored(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    class TooMuchError(Exception): ...

    def refuse(answer: Answer) -> BaseException:
        assert answer.token is not None
        return TooMuchError()

    picky = Hooks(is_success=lambda _: False, handle_error=refuse)
    with pytest.raises(TooMuchError):
        await get_access_token(**options, hooks=picky)
    text = await get_access_token(
        **options, hooks=Hooks(handle_success=lambda answer: answer.token and answer.token.access_token)
    )
    assert fake.is_live(text)
    assert fake.token_requests == 1


async def test_the_handling_of_an_answer_can_be_replaced_as_a_whole(
    fake: FakeBitbucket, options: dict[str, Any]
) -> None:
    hooks = Hooks(create_request_handler=lambda _: lambda answer: (answer.presented, answer.error is None))
    assert await get_access_token(**options, hooks=hooks) == ("client_credentials", True)
    assert fake.token_requests == 1


async def test_the_default_error_names_the_hook_that_rejected_the_response() -> None:
    error = handle_error(Answer(response=Response(status=200)))
    assert "is_success rejects" in str(error)


async def test_a_stale_token_is_renewed_before_the_call_returns(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    fake.rules.lifetime = 400  # due for renewal halfway, 200 s after the request
    given = await get_access_token(**options, refresh_token=fake.sign_in().refresh_token)
    _age(options, 300)
    token = await get_access_token(**options)
    assert token != given
    assert fake.token_requests == 2


async def test_a_refused_code_is_an_invalid_grant(fake: FakeBitbucket, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidGrantError):
        await get_access_token(**options, code="dead")
    assert fake.token_requests == 1
