"""Keyrings for tests: in memory, locked, or in a folder that processes share."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class MemoryKeyring(KeyringBackend):
    """Keeps entries in a dict, limits their size as Windows does, and records which threads call it."""

    priority: Any = 0.1  # so low that it is never chosen over another one

    LIMIT = 2_560

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.threads: set[int] = set()

    def get_password(self, service: str, username: str) -> str | None:
        self.threads.add(threading.get_ident())
        return self.entries.get((service.lower(), username.lower()))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.put(service, username, password)

    def put(self, service: str, username: str, password: str) -> None:
        """Store an entry; set_password loses its type to a decorator of the keyring library."""
        self.threads.add(threading.get_ident())
        assert len(password.encode("utf-16-le")) <= self.LIMIT
        self.entries[service.lower(), username.lower()] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service.lower(), username.lower()), None) is None:
            raise PasswordDeleteError


class LockedKeyring(MemoryKeyring):
    """A keyring that is still locked."""

    priority: Any = 0.1

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked

    def put(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked


class FolderKeyring(MemoryKeyring):
    """Keeps each entry in a file below the folder that KEYRING_FOLDER names."""

    priority: Any = 9

    def get_password(self, service: str, username: str) -> str | None:
        try:
            return self._path(service, username).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def set_password(self, service: str, username: str, password: str) -> None:
        path = self._path(service, username)
        temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        temporary.write_text(password, encoding="utf-8")
        temporary.replace(path)

    def delete_password(self, service: str, username: str) -> None:
        try:
            self._path(service, username).unlink()
        except FileNotFoundError:
            raise PasswordDeleteError from None

    def _path(self, service: str, username: str) -> Path:
        return Path(os.environ["KEYRING_FOLDER"], json.dumps([service, username]).encode().hex()[-200:])
