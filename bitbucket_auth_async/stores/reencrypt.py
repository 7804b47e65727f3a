"""Write records again, so that the newest encryption key covers them."""

from collections.abc import Iterable

from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.stores._key_checks import checked_key_list


async def reencrypt(store: TokenStore, keys: Iterable[str]) -> int:
    """Write the records of *keys* again with the store's codec; return how many there were.

    Afterwards the oldest encryption key can be removed, or plain records are encrypted. Programs may keep running.

    Raises:
        ConfigurationError: *keys* is one text instead of a list.
        StoreError: The store failed, or a record can't be read; records written before that stay written.
    """
    written = 0
    for key in checked_key_list(keys):
        while (found := await store.load(key)) is not None:
            if await store.swap(key, found.record, expected=found.version):
                written += 1
                break
    return written
