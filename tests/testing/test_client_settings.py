"""Environment variables, header and options for tests."""

import os

import pytest

from bitbucket_auth_async.testing.client_settings import basic_auth, opts, set_env_vars
from bitbucket_auth_async.testing.fake.client_authentication import basic_pair
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket

KEY, SECRET = "bitbucketKey", "bitbucketSecret"  # as the npm package spells them


def test_the_variables_are_set_and_other_spellings_are_unset_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_npm_names_can_be_set_instead() -> None:
    with set_env_vars(old_names=True):
        assert (os.environ[KEY], os.environ[SECRET]) == ("fake-client-id", "fake-client-secret")
        assert "BITBUCKET_CLIENT_ID" not in os.environ


def test_basic_auth_matches_the_token_endpoint() -> None:
    assert basic_pair(basic_auth("an id", "a:secret")) == ("an id", "a:secret")


def test_the_valid_options_match_the_client_of_the_fake() -> None:
    client = FakeBitbucket().registration()
    assert opts.valid["consumer_key"] == client.client_id
    assert opts.valid["consumer_secret"] == client.client_secret


def test_each_missing_and_invalid_set_differs_from_the_valid_one_in_one_option() -> None:
    assert set(opts.missing) == set(opts.valid)
    for name, options in opts.missing.items():
        assert {**options, name: opts.valid[name]} == opts.valid
        assert name not in options
    assert set(opts.valid) < set(opts.invalid)
    for name, options in opts.invalid.items():
        assert not isinstance(options[name], str)
        assert {**options, name: None} == {**opts.valid, name: None}
