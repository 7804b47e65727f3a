"""The client that the environment names, and clear words where it names none."""

import os
import subprocess
import sys
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


def test_two_variables_make_a_client() -> None:
    assert client_from_env({ID: "id", SECRET: "s3cret"}) == Client("id", "s3cret")


def test_the_environment_of_the_process_is_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ID, "from-env")
    monkeypatch.setenv(SECRET, "s3cret")
    assert client_from_env().client_id == "from-env"


def test_the_names_of_the_npm_package_work() -> None:
    assert client_from_env({"bitbucketKey": "id", "bitbucketSecret": "s3cret"}) == Client("id", "s3cret")


def test_the_new_names_outrank_the_old_ones_as_a_pair() -> None:
    old = {"bitbucketKey": "old", "bitbucketSecret": "old"}
    assert client_from_env(old | {ID: "new", SECRET: "new"}) == Client("new", "new")
    assert refused(old | {ID: "new"}) == f"{SECRET} is not set, but {ID} is: both are needed."


@pytest.mark.parametrize("name", [ID, SECRET, "bitbucketKey", "bitbucketSecret"])
@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_value_is_named(name: str, empty: str) -> None:
    new, old = {ID: "i", SECRET: "s"}, {"bitbucketKey": "i", "bitbucketSecret": "s"}
    assert (
        refused((new if name in new else old) | {name: empty})
        == f"{name} is set, but empty or blank: give it its value, or unset it."
    )


@pytest.mark.parametrize(
    "there, missing",
    [(ID, SECRET), (SECRET, ID), ("bitbucketKey", "bitbucketSecret"), ("bitbucketSecret", "bitbucketKey")],
)
def test_a_missing_half_is_named(there: str, missing: str) -> None:
    assert refused({there: "x"}) == f"{missing} is not set, but {there} is: both are needed."


def test_nothing_set_names_every_way() -> None:
    assert refused({"PATH": "/bin"}) == (
        "The environment names no client. Set BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET (Key and Secret of your "
        "OAuth consumer), or BITBUCKET_CLIENT_ID_FILE and BITBUCKET_CLIENT_SECRET_FILE to files that hold them; "
        "bitbucketKey and bitbucketSecret work too."
    )


@pytest.mark.parametrize(
    "content, value",
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret\n\n", "s3cret\n"),
        (b" s3cret ", " s3cret "),
        (b"\xef\xbb\xbfs3cret", "s3cret"),
    ],
)
def test_a_file_gives_its_content_without_one_line_end(tmp_path: Path, content: bytes, value: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert client_from_env({ID: "id", f"{SECRET}_FILE": str(path)}) == Client("id", value)


def test_both_halves_may_be_in_files(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("id\n")
    (tmp_path / "secret").write_text("s3cret\n")
    environ = {f"{ID}_FILE": str(tmp_path / "id"), f"{SECRET}_FILE": str(tmp_path / "secret")}
    assert client_from_env(environ) == Client("id", "s3cret")


def test_a_file_beside_the_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    for name in (ID, SECRET):
        environ = {ID: "id", SECRET: "s3cret", f"{name}_FILE": str(tmp_path / "secret")}
        assert refused(environ) == f"{name} and {name}_FILE are both set: leave one out."


def test_an_empty_path_is_named() -> None:
    assert (
        refused({ID: "id", f"{SECRET}_FILE": ""})
        == f"{SECRET}_FILE is set, but empty or blank: give it its value, or unset it."
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    said = refused({ID: "id", f"{SECRET}_FILE": str(path)})
    assert said == f"{SECRET}_FILE: {path} can't be read (No such file or directory)."


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert (
        refused({ID: "id", f"{SECRET}_FILE": str(tmp_path)})
        == f"{SECRET}_FILE: {tmp_path} can't be read (Is a directory)."
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s3cret")
    path.chmod(0)
    # root may read everything, so a child without its rights looks
    code = (
        "import os, sys\n"
        "from bitbucket_auth_async.bitbucket.client_from_env import client_from_env\n"
        "from bitbucket_auth_async.errors import ConfigurationError\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        f"try: client_from_env({{'{ID}': 'id', '{SECRET}_FILE': sys.argv[1]}})\n"
        "except ConfigurationError as error: print(error)\n"
    )
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{SECRET}_FILE: {path} can't be read (Permission denied).\n"


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n"])
def test_an_empty_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert refused({ID: "id", f"{SECRET}_FILE": str(path)}) == f"{SECRET}_FILE: {path} is empty."


def test_r11_a_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"s3cret\xff")
    assert refused({ID: "id", f"{SECRET}_FILE": str(path)}) == f"{SECRET}_FILE: {path} is not a text in UTF-8."


@pytest.mark.parametrize("secret", ["s3cret", "s3cret" * 60])
def test_r11_a_secret_in_the_place_of_its_path_is_not_shown(secret: str) -> None:
    said = refused({ID: "id", f"{SECRET}_FILE": secret})
    assert said.startswith(f"{SECRET}_FILE: the file that it names can't be read (")
    assert "s3cret" not in said


def test_a_windows_path_is_shown() -> None:
    assert "C:\\nowhere can't be read" in refused({ID: "id", f"{SECRET}_FILE": "C:\\nowhere"})
