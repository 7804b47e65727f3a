import sys

from bitbucket_auth_async.stores import move_records, open_store, reencrypt


def test_the_functions_are_importable_from_the_folder() -> None:
    for function in (move_records, open_store, reencrypt):
        assert function is getattr(sys.modules[f"bitbucket_auth_async.stores.{function.__name__}"], function.__name__)
