"""One private file, replaced whole under an OS lock: what makes it safe, and what its errors mean."""

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

_LOCK = ".lock"
_BESIDE = ".bitbucket-auth-async.tmp"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  # Windows would write line ends of its own
_COLLIDES = sys.platform == "win32"
"""There, replacing a file while somebody reads it is an error for one of the two."""
_PAUSES = (0.001, 0.004, 0.016, 0.064, 0.256)

_T = TypeVar("_T")

# What to do, and whether it may heal without anybody's help.
_ADVICE = {
    errno.ENOSPC: ("The disk is full. Free some space.", True),
    errno.EDQUOT: ("The quota is used up. Free some space, or raise the quota.", True),
    errno.EFBIG: ("The file may not grow so far. Raise the limit on the size of files (ulimit -f).", False),
    errno.EROFS: ("The file system is read-only. Mount it writable, or choose another path.", False),
    errno.EACCES: ("This user may not. Let the user that runs this program own file, lock and directory.", False),
    errno.EPERM: ("This is not permitted. Let the user that runs this program own the file and its directory.", False),
    errno.EBUSY: (
        "It can't be replaced while it is mounted by itself, as into a container. Mount its directory instead.",
        False,
    ),
    errno.EISDIR: ("This is a directory. Give the path of a file.", False),
    errno.ENOTDIR: ("A file stands where a directory should be. Choose another path.", False),
    errno.ELOOP: ("Symbolic links go round in a circle, or the lock file is one. Choose another path.", False),
    errno.ENAMETOOLONG: ("The name is too long, with what is written beside it. Choose a shorter one.", False),
    errno.EMFILE: ("This process has too many open files. Close some, or raise the limit (ulimit -n).", True),
    errno.ENFILE: ("This machine has too many open files. Close some.", True),
    errno.ENOLCK: ("The file system gives no lock (NFS without its lock service?). Choose a local path.", True),
    errno.ENOSYS: ("The file system has no locks. Choose another path.", False),
    errno.ENOTSUP: ("The file system can't do what is needed. Choose another path.", False),
}


def read(path: str) -> bytes | None:
    """Return what is in the file; None means that there is none.

    Raises:
        OSError: It could not be read.
    """
    try:
        return _patiently(Path(path).read_bytes)
    except FileNotFoundError:
        return None


def update(path: str, change: Callable[[bytes | None], bytes | None]) -> bool:
    """Put in the file what *change* makes of its content, or nothing if that is None; tell whether it had its turn.

    It never waits for the lock: False means that somebody else has it, and that nothing was done. All happens in this
    one call, so that whoever runs it in a thread can't be interrupted between the lock and the end. A symbolic link
    stays one, and the file it names is replaced.

    Raises:
        OSError: It could not be done; the old content is whole.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():  # still, so the links have no end
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
    if target.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    make_private(target.parent)
    lock = FileLock(f"{target}{_LOCK}", mode=0o600, thread_local=False)
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
    """Say in one sentence what happened to which file, and in another what to do."""
    code = error.errno or 0
    advice, heals = _ADVICE.get(code, (f"{os.strerror(code)}." if code else f"{type(error).__name__}.", True))
    told = StoreError(f"{path} could not be {doing} ({errno.errorcode.get(code, 'unknown')}). {advice}")
    told.retryable = heals
    return told


def make_private(directory: Path) -> None:
    """Make what is missing of the way there, each part for its owner alone."""
    missing: list[Path] = []
    while not directory.is_dir() and directory != directory.parent:
        missing.append(directory)
        directory = directory.parent
    for part in reversed(missing):
        try:
            part.mkdir(mode=0o700)
        except FileExistsError:
            if part.is_dir():
                continue  # another process was first
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(part)) from None
        part.chmod(0o700)  # the umask may have taken too much
        _sync(part.parent)


def create(path: Path) -> int:
    """Return the descriptor of a new file, private from its first byte, which no child inherits (PEP 446).

    On Windows it is as private as its folder; the user's own folders are.

    Raises:
        FileExistsError: There is one.
        OSError: It could not be made.
    """
    descriptor = os.open(path, _NEW, 0o600)
    if sys.platform != "win32":
        try:
            os.fchmod(descriptor, 0o600)  # the umask may have taken too much
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _replace(target: Path, content: bytes) -> None:
    """Write beside, then rename over: whoever reads sees the old file or the new one, whole."""
    beside = target.with_name(target.name + _BESIDE)
    beside.unlink(missing_ok=True)  # left by a crash: nobody else writes it while we have the lock
    try:
        _write_new(beside, content)
        _patiently(lambda: beside.replace(target))
    except BaseException:
        with suppress(OSError):  # the first error says more
            beside.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _write_new(path: Path, content: bytes) -> None:
    with open(create(path), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _patiently(work: Callable[[], _T]) -> _T:
    """Do it; where readers and writers collide, again for a moment."""
    for pause in _PAUSES if _COLLIDES else ():
        try:
            return work()
        except PermissionError:
            time.sleep(pause)
    return work()


def _sync(directory: Path) -> None:
    """Make the names in a directory last, where the system lets a directory be opened at all."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have nothing to do here, and say so like this
            raise
    finally:
        os.close(descriptor)
