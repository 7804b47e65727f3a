"""Stores keep one record for each key; each module adapts one library or file format.

`open_store` and `move_records` are importable from here; a store is imported from its own module.
"""

from bitbucket_auth_async.stores.move_records import move_records
from bitbucket_auth_async.stores.open_store import open_store

__all__ = ["move_records", "open_store"]
