"""FileStore on a machine with a full disk, missing permissions or other faults, each in a separate process."""

import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.store_contract import a_record

Run = Callable[..., str]

UNPRIVILEGED = """
        warm_up()
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(int(sys.argv[3]))
            os.setuid(int(sys.argv[2]))
"""


@pytest.fixture
async def kept(tmp_path: Path) -> Versioned:
    version = await FileStore(tmp_path / "tokens.json").swap("alice", a_record(), expected=0)
    return Versioned(a_record(), version)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users may enter, unlike pytest's."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def nobody() -> tuple[str, str]:
    """Another user and group if we are root, who ignores file modes; else our own."""
    who = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return str(who.pw_uid), str(who.pw_gid)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_file_at_its_size_limit_is_reported_and_the_old_content_stays(
    run: Run, tmp_path: Path, kept: Versioned
) -> None:
    printed = run(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
        store = FileStore(sys.argv[1])
        asyncio.run(told(store.swap("alice", a_record(2, size=6_000), expected=int(sys.argv[2]))))
        """,
        tmp_path / "tokens.json",
        str(kept.version),
    )
    assert printed.startswith(f"StoreError False {tmp_path}/tokens.json could not be written (EFBIG). ")
    assert "ulimit -f" in printed
    assert names(tmp_path) == ["tokens.json", "tokens.json.lock"]
    assert await FileStore(tmp_path / "tokens.json").load("alice") == kept


async def test_a_process_killed_during_a_write_leaves_the_old_file_and_the_next_write_cleans_up(
    run: Run, tmp_path: Path, kept: Versioned
) -> None:
    code = """
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the kernel kills the process at the 2,000th byte
        os.umask(0)
        if not (child := os.fork()):
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            asyncio.run(FileStore(sys.argv[1]).swap("alice", a_record(2, size=6_000), expected=int(sys.argv[2])))
        print(os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGXFSZ)
    """
    assert run(code, tmp_path / "tokens.json", str(kept.version)) == "True\n"
    [leftover] = set(names(tmp_path)) - {"tokens.json", "tokens.json.lock"}
    half = (tmp_path / leftover).stat()
    assert (half.st_size, stat.S_IMODE(half.st_mode)) == (2_000, 0o600)
    store = FileStore(tmp_path / "tokens.json")
    assert await store.load("alice") == kept
    assert await store.swap("alice", a_record(2), expected=kept.version)
    assert names(tmp_path) == ["tokens.json", "tokens.json.lock"]


async def test_too_many_open_files_are_reported_as_retryable(run: Run, tmp_path: Path, kept: Versioned) -> None:
    printed = run(
        """
        warm_up()
        async def main():
            store = FileStore(sys.argv[1])
            await store.load("alice")
            spare = os.open("/", os.O_RDONLY)
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
            await told(store.load("alice"))
            await told(store.swap("alice", a_record(2), expected=int(sys.argv[2])))
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            print(bool(await store.swap("alice", a_record(2), expected=int(sys.argv[2]))))
        asyncio.run(main())
        """,
        tmp_path / "tokens.json",
        str(kept.version),
    )
    read, written, healed = printed.splitlines()
    assert read.startswith(f"StoreError True {tmp_path}/tokens.json could not be read (EMFILE). ")
    assert written.startswith(f"StoreError True {tmp_path}/tokens.json could not be written (EMFILE). ")
    assert healed == "True"


def test_a_directory_without_write_permission_is_reported(
    run: Run, open_directory: Path, nobody: tuple[str, str]
) -> None:
    place = open_directory / "closed"
    place.mkdir()
    (place / "tokens.json").write_text('{"refreshToken": "r3fresh"}')
    place.chmod(0o555)
    printed = run(
        UNPRIVILEGED
        + """
        async def main():
            store = FileStore(sys.argv[1])
            found = await store.load("alice")
            await told(store.swap("alice", a_record(), expected=found.version))
        asyncio.run(main())
        """,
        place / "tokens.json",
        *nobody,
    )
    place.chmod(0o755)
    assert printed.startswith(
        f"StoreError False {place}/tokens.json could not be written (EACCES). This user lacks the permission."
    )
    assert names(place) == ["tokens.json"]


def test_a_file_without_read_permission_is_an_error_and_not_an_empty_store(
    run: Run, open_directory: Path, nobody: tuple[str, str]
) -> None:
    place = open_directory / "open"
    place.mkdir()
    place.chmod(0o777)
    (place / "tokens.json").write_text('{"refreshToken": "r3fresh"}')
    (place / "tokens.json").chmod(0)
    printed = run(
        UNPRIVILEGED
        + """
        async def main():
            await told(FileStore(sys.argv[1]).load("alice"))
            await told(FileStore(sys.argv[1]).swap("alice", a_record(), expected=0))
        asyncio.run(main())
        """,
        place / "tokens.json",
        *nobody,
    )
    read, written = printed.splitlines()
    assert read.startswith(
        f"StoreError False {place}/tokens.json could not be read (EACCES). This user lacks the permission."
    )
    assert written.startswith(
        f"StoreError False {place}/tokens.json could not be written (EACCES). This user lacks the permission."
    )
    assert names(place) == ["tokens.json", "tokens.json.lock"]


@pytest.mark.parametrize(
    "prepare, kind, advice",
    [
        pytest.param(
            """mount("none", place, "tmpfs", 0, "size=8k")
path = Path(place, "tokens.json")""",
            "True",
            "(ENOSPC). The disk is full.",
            id="a full disk",
        ),
        pytest.param(
            """mount("none", place, "tmpfs", 0)
path = Path(place, "tokens.json")""",
            "False",
            "(EROFS). The file system is read-only.",
            id="a read-only file system",
        ),
        pytest.param(
            """path = Path(place, "inside", "tokens.json")
path.parent.mkdir()
path.touch()
outside = Path(place, "outside.json")
outside.write_text("{}")
mount(outside, path, None, 0x1000)""",
            "False",
            "(EBUSY). A file that is itself a mount, as in a container, can't be replaced.",
            id="a file mounted by itself",
        ),
    ],
)
def test_a_mount_that_does_not_allow_the_write_is_reported_and_the_old_file_stays(
    run: Run, tmp_path: Path, prepare: str, kind: str, advice: str
) -> None:
    printed = run(
        f"""
place, kind, advice = sys.argv[1:]
mount = mounts_of_our_own()
{prepare}
async def main():
    store = FileStore(path)
    version = 0 if "EBUSY" in advice else await store.swap("alice", a_record(), expected=0)
    if "EROFS" in advice:
        mount("none", place, None, 0x21)  # MS_REMOUNT, MS_RDONLY
    before = path.read_bytes(), sorted(os.listdir(path.parent))
    await told(store.swap("alice", a_record(2, size=6_000), expected=version))
    after = path.read_bytes(), sorted(os.listdir(path.parent))
    if "EBUSY" in advice:
        after[1].remove("tokens.json.lock")
    print(before == after, await store.load("alice") == ((a_record(), version) if version else None))
asyncio.run(main())
""",
        tmp_path,
        kind,
        advice,
    )
    error, whole = printed.splitlines()
    assert error.startswith(f"StoreError {kind} ")
    assert advice in error
    assert whole == "True True"
