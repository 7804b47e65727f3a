import pytest

import bitbucket_auth_async.codecs as room
from bitbucket_auth_async.codecs import EncryptedCodec, JsonCodec
from bitbucket_auth_async.codecs import encrypted as encrypted_module
from bitbucket_auth_async.codecs import json as json_module


def test_both_codecs_are_importable_from_the_folder() -> None:
    assert EncryptedCodec is encrypted_module.EncryptedCodec
    assert JsonCodec is json_module.JsonCodec


@pytest.mark.parametrize("name", room.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(room, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        room.nothing  # noqa: B018  - the access is what raises
