"""A private file that is replaced as a whole under an OS lock, and advice for its errors."""

import errno
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from bitbucket_auth_async.errors import StoreError

_LOCK_SUFFIX = ".lock"
_TEMPORARY_SUFFIX = ".bitbucket-auth-async.tmp"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  # else Windows would change line ends
_READERS_COLLIDE = sys.platform == "win32"
"""On Windows, replacing a file during a read is an error for the reader or the writer."""
_PAUSES = (0.001, 0.004, 0.016, 0.064, 0.256)

_T = TypeVar("_T")

# What to do, and whether a retry may succeed.
_ADVICE = {
    errno.ENOSPC: ("The disk is full. Free some space.", True),
    errno.EDQUOT: ("The quota is used up. Free some space, or raise the quota.", True),
    errno.EFBIG: ("The file would exceed the size limit. Raise it (ulimit -f).", False),
    errno.EROFS: ("The file system is read-only. Mount it writable, or choose another path.", False),
    errno.EACCES: (
        "This user lacks the permission. Make the user that runs this program own file, lock and directory.",
        False,
    ),
    errno.EPERM: ("This is not permitted. Make the user that runs this program own the file and its directory.", False),
    errno.EBUSY: (
        "A file that is itself a mount, as in a container, can't be replaced. Mount its directory instead.",
        False,
    ),
    errno.EISDIR: ("This is a directory. Give the path of a file.", False),
    errno.ENOTDIR: ("A part of the path is a file, not a directory. Choose another path.", False),
    errno.ELOOP: ("Symbolic links form a loop, or the lock file is a link. Choose another path.", False),
    errno.ENAMETOOLONG: ("The name is too long for the temporary file next to it. Choose a shorter one.", False),
    errno.EMFILE: ("This process has too many open files. Close some, or raise the limit (ulimit -n).", True),
    errno.ENFILE: ("This machine has too many open files. Close some.", True),
    errno.ENOLCK: ("The file system has no lock to give (NFS without its lock service?). Choose a local path.", True),
    errno.ENOSYS: ("The file system has no locks. Choose another path.", False),
    errno.ENOTSUP: ("The file system lacks a needed operation. Choose another path.", False),
}


def read(path: str) -> bytes | None:
    """Return the content of the file; None if it does not exist.

    Raises:
        OSError: It could not be read.
    """
    try:
        return _retry_collisions(Path(path).read_bytes)
    except FileNotFoundError:
        return None


def update(path: str, change: Callable[[bytes | None], bytes | None]) -> bool:
    """Replace the content by the result of *change*, unless that is None; False: the lock was taken, nothing was done.

    It never waits for the lock. Everything happens in one call, so that a thread can't be interrupted while it holds
    the lock. A symbolic link stays a link; the file that it names is replaced.

    Raises:
        OSError: It failed; the old content is intact.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():  # realpath stops at a link only in a loop
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
    if target.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    make_private(target.parent)
    lock = FileLock(f"{target}{_LOCK_SUFFIX}", mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    try:
        content = change(read(str(target)))
        if content is not None:
            _replace(target, content)
    finally:
        lock.release()
    return True


def store_error(path: str, doing: str, error: OSError) -> StoreError:
    """Return an error that says what happened to which file, and what to do."""
    code = error.errno or 0
    advice, retryable = _ADVICE.get(code, (f"{os.strerror(code)}." if code else f"{type(error).__name__}.", True))
    failure = StoreError(f"{path} could not be {doing} ({errno.errorcode.get(code, 'unknown')}). {advice}")
    failure.retryable = retryable
    return failure


def make_private(directory: Path) -> None:
    """Create the missing directories of a path, each with access for its owner only."""
    missing: list[Path] = []
    while not directory.is_dir() and directory != directory.parent:
        missing.append(directory)
        directory = directory.parent
    for part in reversed(missing):
        try:
            part.mkdir(mode=0o700)
        except FileExistsError:
            if part.is_dir():
                continue  # another process created it
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(part)) from None
        part.chmod(0o700)  # the umask may have removed too much
        _sync(part.parent)


def create(path: Path) -> int:
    """Return the descriptor of a new file, private from its first byte; no child process inherits it (PEP 446).

    On Windows it is as private as its folder, and the user's own folders are private.

    Raises:
        FileExistsError: The file exists.
        OSError: It could not be created.
    """
    descriptor = os.open(path, _NEW, 0o600)
    if sys.platform != "win32":
        try:
            os.fchmod(descriptor, 0o600)  # the umask may have removed too much
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _replace(target: Path, content: bytes) -> None:
    """Write a temporary file and rename it, so that a reader sees the whole old or the whole new content."""
    temporary = target.with_name(target.name + _TEMPORARY_SUFFIX)
    temporary.unlink(missing_ok=True)  # left by a crash, since only the owner of the lock writes it
    try:
        _write_new(temporary, content)
        _retry_collisions(lambda: temporary.replace(target))
    except BaseException:
        with suppress(OSError):  # the first error says more
            temporary.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _write_new(path: Path, content: bytes) -> None:
    with open(create(path), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _retry_collisions(work: Callable[[], _T]) -> _T:
    """Return the result of *work*; where readers and writers collide, retry for a third of a second."""
    for pause in _PAUSES if _READERS_COLLIDE else ():
        try:
            return work()
        except PermissionError:
            time.sleep(pause)
    return work()


def _sync(directory: Path) -> None:
    """Write a directory's entries to disk, on systems that can open a directory."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have nothing to sync and answer EINVAL
            raise
    finally:
        os.close(descriptor)
