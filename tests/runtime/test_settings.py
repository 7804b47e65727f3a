"""Settings come from a variable or from the file that its `…_FILE` variable names."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.runtime.settings import setting

NAME = "A_SECRET"


def refused(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        setting(environ, NAME)
    error = caught.value
    assert error.__suppress_context__ or error.__context__ is None
    return str(error)


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
def test_a_file_gives_its_content_without_its_last_line_end(tmp_path: Path, content: bytes, value: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert setting({f"{NAME}_FILE": str(path)}, NAME) == value


def test_a_variable_that_is_set_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    environ = {NAME: "s3cret", f"{NAME}_FILE": str(tmp_path / "secret")}
    assert refused(environ) == f"{NAME} and {NAME}_FILE are both set; unset one of them."


def test_an_empty_path_is_named() -> None:
    assert refused({f"{NAME}_FILE": ""}) == f"{NAME}_FILE is set but empty or blank; give it a value or unset it."


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    said = refused({f"{NAME}_FILE": str(path)})
    assert said == f"{NAME}_FILE: {path} can't be read (No such file or directory)."


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refused({f"{NAME}_FILE": str(tmp_path)}) == f"{NAME}_FILE: {tmp_path} can't be read (Is a directory)."


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_a_file_that_may_not_be_read_is_named() -> None:
    # root may read everything, so a child process of another user reads, in a folder that it may enter
    code = (
        "import os, sys\n"
        "from bitbucket_auth_async.runtime.settings import setting\n"
        "from bitbucket_auth_async.errors import ConfigurationError\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        f"try: setting({{'{NAME}_FILE': sys.argv[1]}}, '{NAME}')\n"
        "except ConfigurationError as error: print(error)\n"
    )
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "secret")
        path.write_text("s3cret")
        path.chmod(0)
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{NAME}_FILE: {path} can't be read (Permission denied).\n"


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n"])
def test_an_empty_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert refused({f"{NAME}_FILE": str(path)}) == f"{NAME}_FILE: {path} is empty."


def test_r11_a_file_that_is_not_text_is_named_and_its_content_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"s3cret\xff")
    assert refused({f"{NAME}_FILE": str(path)}) == f"{NAME}_FILE: {path} is not UTF-8 text."


@pytest.mark.parametrize("secret", ["s3cret", "s3cret" * 60])
def test_r11_a_secret_given_instead_of_its_path_is_not_shown(secret: str) -> None:
    said = refused({f"{NAME}_FILE": secret})
    assert said.startswith(f"{NAME}_FILE: the file that it names can't be read (")
    assert "s3cret" not in said


def test_a_windows_path_is_shown() -> None:
    assert "C:\\nowhere can't be read" in refused({f"{NAME}_FILE": "C:\\nowhere"})
