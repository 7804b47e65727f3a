"""Client authentication (RFC 6749 section 2.3): three methods, and a clear error for invalid arguments."""

import base64
from typing import Any, Literal, cast

import pytest

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.clients import Client

ENDPOINT = "https://bitbucket.org/site/oauth2/access_token"


def test_a_secret_is_sent_by_http_basic_by_default() -> None:
    headers, fields = Client("id", "s3cret").proof(ENDPOINT, now=0.0)
    assert headers == {"Authorization": "Basic " + base64.b64encode(b"id:s3cret").decode()}
    assert fields == {}


def test_id_and_secret_are_form_encoded_before_they_are_joined() -> None:
    headers, _ = Client("i:d é", "s%c+t ~").proof(ENDPOINT, now=0.0)
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"i%3Ad+%C3%A9:s%25c%2Bt+~"


def test_client_secret_basic_can_be_given() -> None:
    assert Client("id", "s", "client_secret_basic").proof(ENDPOINT, now=0.0) == Client("id", "s").proof(ENDPOINT, now=0)


def test_client_secret_post_puts_both_in_the_body() -> None:
    proof = Client("id", "s3cret", "client_secret_post").proof(ENDPOINT, now=0.0)
    assert proof == ({}, {"client_id": "id", "client_secret": "s3cret"})


def test_a_public_client_sends_only_its_id() -> None:
    for client in (Client("id"), Client("id", auth_method="none"), Client("id", "s3cret", "none")):
        assert client.proof(ENDPOINT, now=0.0) == ({}, {"client_id": "id"})


@pytest.mark.parametrize("client_id", ["", "  ", None, 5])
def test_a_client_needs_an_id(client_id: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client(cast("str", client_id), "s")
    assert str(caught.value) == "client_id is empty. Give the Key of your OAuth consumer."


@pytest.mark.parametrize("secret", ["", " \n"])
def test_an_empty_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client("id", secret)
    expected = "client_secret is empty. Give the Secret of your OAuth consumer, or None for a public client."
    assert str(caught.value) == expected


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_method_that_sends_a_secret_needs_one(method: Literal["client_secret_basic", "client_secret_post"]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client("id", auth_method=method)
    assert str(caught.value) == f"auth_method {method} needs a client_secret."


def test_an_unknown_method_is_refused() -> None:
    method: Any = "private_key_jwt"
    with pytest.raises(ConfigurationError) as caught:
        Client("id", "s", method)
    expected = "auth_method 'private_key_jwt' is unknown: use client_secret_basic, client_secret_post or none."
    assert str(caught.value) == expected


def test_r11_a_repr_shows_no_secret() -> None:
    assert repr(Client("id", "s3cret")) == "Client(client_id='id', auth_method=None)"
