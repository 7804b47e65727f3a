import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from bitbucket_auth_async.runtime import private_file


@pytest.mark.parametrize(
    "code, heals, advice",
    [
        (errno.ENOSPC, True, "Free some space"),
        (errno.EDQUOT, True, "raise the quota"),
        (errno.EFBIG, False, "exceed the size limit"),
        (errno.EROFS, False, "Mount it writable"),
        (errno.EACCES, False, "Make the user that runs this program own file, lock and directory"),
        (errno.EPERM, False, "Make the user that runs this program own"),
        (errno.EBUSY, False, "Mount its directory instead"),
        (errno.EISDIR, False, "Give the path of a file"),
        (errno.ENOTDIR, False, "Choose another path"),
        (errno.ELOOP, False, "Choose another path"),
        (errno.ENAMETOOLONG, False, "Choose a shorter one"),
        (errno.EMFILE, True, "Close some, or raise the limit"),
        (errno.ENFILE, True, "Close some"),
        (errno.ENOLCK, True, "Choose a local path"),
        (errno.ENOSYS, False, "has no locks"),
        (errno.ENOTSUP, False, "Choose another path"),
        (errno.EIO, True, "Input/output error"),
    ],
)
def test_each_os_error_has_advice_and_says_whether_it_is_retryable(code: int, *, heals: bool, advice: str) -> None:
    error = private_file.store_error("/data/tokens.json", "written", OSError(code, os.strerror(code)))
    assert str(error).startswith(f"/data/tokens.json could not be written ({errno.errorcode[code]}). ")
    assert advice in str(error)
    assert error.retryable is heals
    assert error.again().retryable is heals


def test_an_error_without_a_code_is_named_by_its_type() -> None:
    error = private_file.store_error("/data/tokens.json", "read", OSError("what"))
    assert str(error) == "/data/tokens.json could not be read (unknown). OSError."


def test_a_file_system_that_refuses_fsync_on_a_directory_is_accepted() -> None:
    private_file._sync(Path("/proc"))


def test_many_threads_create_the_same_directories(tmp_path: Path) -> None:
    path = str(tmp_path.joinpath(*"abcdefghijklmnopqrstuvwxyz", "file"))
    gate = threading.Barrier(8)

    def update(_: int) -> bool:
        gate.wait()
        while not private_file.update(path, lambda content: (content or b"") + b"."):
            pass
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(update, range(8)))
    assert private_file.read(path) == b"." * 8


def test_a_missing_file_reads_as_none(tmp_path: Path) -> None:
    assert private_file.read(str(tmp_path / "file")) is None


def test_the_change_gets_the_content_and_returns_the_new_one(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    seen: list[bytes | None] = []

    def change(content: bytes | None) -> bytes | None:
        seen.append(content)
        return b"one" if content is None else None

    assert private_file.update(path, change)
    assert private_file.update(path, change)
    assert seen == [None, b"one"]
    assert private_file.read(path) == b"one"


def test_update_does_nothing_while_the_lock_is_taken(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with FileLock(f"{path}.lock"):
        assert not private_file.update(path, lambda _: b"one")
    assert private_file.read(path) is None


def test_a_failing_change_releases_the_lock_and_keeps_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    private_file.update(path, lambda _: b"one")
    with pytest.raises(ZeroDivisionError):
        private_file.update(path, lambda _: b"two" * (1 // 0))
    assert private_file.read(path) == b"one"
    assert private_file.update(path, lambda _: b"two")


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        private_file.update(str(tmp_path / "file"), lambda _: b"one")
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_at_the_temporary_path_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (tmp_path / "file.bitbucket-auth-async.tmp").symlink_to(tmp_path / "elsewhere")
    assert private_file.update(str(tmp_path / "file"), lambda _: b"one")
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert private_file.read(str(tmp_path / "file")) == b"one"


def test_r11_the_file_is_private_from_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []

    def look(descriptor: int, mode: int) -> None:
        modes.append(os.fstat(descriptor).st_mode & 0o777)
        os.chmod(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", look)
    before = os.umask(0)
    try:
        private_file.update(str(tmp_path / "tokens.json"), lambda _: b"{}")
    finally:
        os.umask(before)
    assert set(modes) == {0o600}, "whoever opened it earlier could read what comes later"


def test_where_readers_and_writers_collide_both_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tokens.json"
    collisions: dict[str, int] = {"read_bytes": 3, "replace": 3}

    def colliding(name: str) -> Callable[..., object]:
        real: Callable[..., object] = getattr(Path, name)

        def work(*words: object) -> object:
            collisions[name] -= 1
            if collisions[name] >= 0:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return real(*words)

        return work

    monkeypatch.setattr(private_file, "_READERS_COLLIDE", True)  # as on Windows
    for name in collisions:
        monkeypatch.setattr(Path, name, colliding(name))
    assert private_file.update(str(path), lambda _: b"one")
    assert private_file.read(str(path)) == b"one"


def test_where_they_do_not_collide_a_permission_error_is_raised_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(time, "sleep", None)
    with pytest.raises(PermissionError):
        private_file.read(str(tmp_path / "tokens.json"))
