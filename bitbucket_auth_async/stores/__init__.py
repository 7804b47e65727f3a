"""Stores keep one record for each key; each module adapts one library or file format.

`open_store`, `move_records` and `reencrypt` are importable from here. Import a store from its own module.
"""

from bitbucket_auth_async.stores.move_records import move_records
from bitbucket_auth_async.stores.open_store import open_store
from bitbucket_auth_async.stores.reencrypt import reencrypt

__all__ = ["move_records", "open_store", "reencrypt"]
