"""client_from_env finds the client in the environment, or says which variable to set."""

from pathlib import Path

import pytest

from bitbucket_auth_async.bitbucket.client_from_env import client_from_env
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.clients import Client

ID, SECRET = "BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET"


def refused(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        client_from_env(environ)
    error = caught.value
    assert error.__suppress_context__ or error.__context__ is None
    return str(error)


def test_two_variables_configure_a_client() -> None:
    assert client_from_env({ID: "id", SECRET: "s3cret"}) == Client("id", "s3cret")


def test_the_process_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ID, "from-env")
    monkeypatch.setenv(SECRET, "s3cret")
    assert client_from_env().client_id == "from-env"


def test_the_names_of_the_npm_package_work() -> None:
    assert client_from_env({"bitbucketKey": "id", "bitbucketSecret": "s3cret"}) == Client("id", "s3cret")


def test_the_new_names_replace_the_npm_names_as_a_pair() -> None:
    old = {"bitbucketKey": "old", "bitbucketSecret": "old"}
    assert client_from_env(old | {ID: "new", SECRET: "new"}) == Client("new", "new")
    assert refused(old | {ID: "new"}) == f"{ID} is set, but {SECRET} is not. Set both."


@pytest.mark.parametrize("name", [ID, SECRET, "bitbucketKey", "bitbucketSecret"])
@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_value_is_reported_with_its_variable(name: str, empty: str) -> None:
    new, old = {ID: "i", SECRET: "s"}, {"bitbucketKey": "i", "bitbucketSecret": "s"}
    assert (
        refused((new if name in new else old) | {name: empty})
        == f"{name} is set but empty or blank; give it a value or unset it."
    )


@pytest.mark.parametrize(
    "present, missing",
    [(ID, SECRET), (SECRET, ID), ("bitbucketKey", "bitbucketSecret"), ("bitbucketSecret", "bitbucketKey")],
)
def test_a_missing_key_or_secret_is_reported_with_its_variable(present: str, missing: str) -> None:
    assert refused({present: "x"}) == f"{present} is set, but {missing} is not. Set both."


def test_an_empty_environment_gets_advice_with_every_variable() -> None:
    assert refused({"PATH": "/bin"}) == (
        "The environment has no OAuth client. Set BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET (Key and Secret of "
        "your OAuth consumer), or BITBUCKET_CLIENT_ID_FILE and BITBUCKET_CLIENT_SECRET_FILE to files that hold them. "
        "bitbucketKey and bitbucketSecret work too."
    )


def test_key_and_secret_may_be_in_files(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("id\n")
    (tmp_path / "secret").write_text("s3cret\n")
    environ = {f"{ID}_FILE": str(tmp_path / "id"), f"{SECRET}_FILE": str(tmp_path / "secret")}
    assert client_from_env(environ) == Client("id", "s3cret")
