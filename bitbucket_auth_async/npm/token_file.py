"""Read the npm package's own token file, `~/.{app_name}`."""

from pathlib import Path

from anyio import to_thread

from bitbucket_auth_async.errors import RecordError
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.stores.file import FileStore


async def npm_refresh_token(app_name: str) -> str | None:
    """Return the refresh token that the npm package stored in `~/.{app_name}`, or None.

    Raises:
        StoreError: The file can't be read.
    """
    try:
        path = Path.home() / f".{app_name}"
    except RuntimeError:  # this user has no home directory
        return None
    try:
        if not await to_thread.run_sync(path.is_file):
            return None
    except PermissionError:  # another user's home directory, as in a container that runs as another user
        return None
    except OSError as error:
        raise private_file.store_error(str(path), "read", error) from error
    try:
        found = await FileStore(path).load("")
    except RecordError:
        return None  # another program's file
    return None if found is None or found.record.token is None else found.record.token.refresh_token
