"""Environment, header and option sets for tests."""

import os

import pytest

from bitbucket_auth_async.testing.client_settings import basic_auth, opts, set_env_vars
from bitbucket_auth_async.testing.fake.client_authentication import basic_pair
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket

KEY, SECRET = "bitbucketKey", "bitbucketSecret"  # as the npm package spells them


def test_variables_are_set_for_the_block_and_no_other_names_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "real")
    monkeypatch.setenv("BITBUCKET_CLIENT_SECRET_FILE", "/run/secrets/real")
    monkeypatch.setenv("BITBUCKET_CLIENT_ID", "real")
    with set_env_vars("id", "secret") as variables:
        assert variables == {"BITBUCKET_CLIENT_ID": "id", "BITBUCKET_CLIENT_SECRET": "secret"}
        assert os.environ["BITBUCKET_CLIENT_ID"] == "id"
        assert not {KEY, "BITBUCKET_CLIENT_SECRET_FILE"} & set(os.environ)
    assert os.environ[KEY] == os.environ["BITBUCKET_CLIENT_ID"] == "real"
    assert os.environ["BITBUCKET_CLIENT_SECRET_FILE"] == "/run/secrets/real"
    assert "BITBUCKET_CLIENT_SECRET" not in os.environ


def test_the_old_names_can_be_set_instead() -> None:
    with set_env_vars(old_names=True):
        assert (os.environ[KEY], os.environ[SECRET]) == ("fake-client-id", "fake-client-secret")
        assert "BITBUCKET_CLIENT_ID" not in os.environ


def test_basic_auth_is_what_the_token_endpoint_reads() -> None:
    assert basic_pair(basic_auth("an id", "a:secret")) == ("an id", "a:secret")


def test_the_valid_options_are_those_of_the_client_that_a_fake_knows() -> None:
    client = FakeBitbucket().registration()
    assert opts.valid["consumer_key"] == client.client_id
    assert opts.valid["consumer_secret"] == client.client_secret


def test_each_missing_and_each_invalid_set_differs_from_the_valid_one_in_its_name_alone() -> None:
    assert set(opts.missing) == set(opts.valid)
    for name, options in opts.missing.items():
        assert {**options, name: opts.valid[name]} == opts.valid
        assert name not in options
    assert set(opts.valid) < set(opts.invalid)
    for name, options in opts.invalid.items():
        assert not isinstance(options[name], str)
        assert {**options, name: None} == {**opts.valid, name: None}
