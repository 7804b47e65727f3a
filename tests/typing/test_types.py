"""The public face as type checkers see it: each name of it stands in the file that mypy and pyright check."""

from pathlib import Path

import bitbucket_auth_async

PUBLIC_FACE = Path(__file__).with_name("public_face.py")
CHECKED_ELSEWHERE = {"AuthorizationError", "CallbackError", "ConfigurationError", "DeadlineError", "InvalidClientError"}
"""Errors without anything of their own, or with what a subclass in the file shows."""


def test_each_public_name_is_used_in_what_the_type_checkers_check() -> None:
    text = PUBLIC_FACE.read_text(encoding="utf-8")
    missing = {name for name in bitbucket_auth_async.__all__ if name not in text}
    assert missing <= CHECKED_ELSEWHERE | {"RecordError", "StoreError"}


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(bitbucket_auth_async.__file__).parent / "py.typed").is_file()
