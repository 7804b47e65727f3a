"""The errors: one root, plain data inside, unchanged by a copy, a pickle or a second raise."""

import copy
import inspect
import pickle
from collections.abc import Callable

import pytest

from bitbucket_auth_async import errors
from bitbucket_auth_async.errors import (
    AccessDeniedError,
    AuthorizationError,
    BitbucketAuthError,
    CallbackError,
    ConfigurationError,
    DeadlineError,
    InvalidClientError,
    InvalidGrantError,
    LoginRequiredError,
    OAuthError,
    OutageError,
    RecordError,
    StoreError,
    TransportError,
    UnavailableError,
)

ALL: list[BitbucketAuthError] = [
    BitbucketAuthError("text"),
    ConfigurationError("text"),
    LoginRequiredError("text"),
    AuthorizationError("invalid_scope", "no such scope"),
    AccessDeniedError("access_denied"),
    CallbackError("text"),
    OAuthError("invalid_scope", "no such scope", status=400, advice="Do this."),
    InvalidGrantError("invalid_grant", status=400),
    InvalidClientError("invalid_client", status=401),
    TransportError("text", sent=False),
    UnavailableError("text", status=503, retry_after=5.0),
    OutageError("text", retry_after=1.5),
    DeadlineError("text"),
    StoreError("text"),
    RecordError("text"),
]


def pickled(error: BitbucketAuthError) -> BitbucketAuthError:
    copied: BitbucketAuthError = pickle.loads(pickle.dumps(error))  # noqa: S301  - our own bytes
    return copied


def test_every_error_class_has_an_example_here() -> None:
    classes = {value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, Exception)}
    assert classes == {type(error) for error in ALL}


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_every_error_has_one_root_and_a_retryable_flag(error: BitbucketAuthError) -> None:
    retryable = {TransportError, UnavailableError, OutageError, DeadlineError, StoreError}
    assert isinstance(error, BitbucketAuthError)
    assert error.retryable is (type(error) in retryable)


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", [pickled, copy.copy, copy.deepcopy, BitbucketAuthError.again])
def test_an_error_survives_copy_and_pickle(
    error: BitbucketAuthError, way: Callable[[BitbucketAuthError], BitbucketAuthError]
) -> None:
    other = way(error)
    assert other is not error
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert other.args == error.args
    assert vars(other) == vars(error)


def test_each_waiter_raises_a_copy_with_its_own_traceback() -> None:
    first = UnavailableError("text", status=503)
    with pytest.raises(UnavailableError):
        raise first
    second = first.again()
    assert first.__traceback__ is not None
    assert second.__traceback__ is None
    assert second.__cause__ is first


def test_a_note_added_by_one_waiter_stays_with_it() -> None:
    first = OutageError("text", retry_after=1.0)
    first.add_note("common")
    second = first.again()
    second.add_note("mine")
    assert first.__notes__ == ["common"]
    assert second.__notes__ == ["common", "mine"]


def test_an_error_quotes_the_server() -> None:
    assert str(AuthorizationError("x")) == "The authorization server answered 'x'."
    assert str(AuthorizationError("x", "why")) == "The authorization server answered 'x': why"
    assert str(OAuthError("x", status=400)) == "The token endpoint answered 400 'x'."
    assert str(OAuthError("x", "why.", status=400)) == "The token endpoint answered 400 'x': why."
    advised = OAuthError("x", "why X", status=400, advice="Do it.")
    assert str(advised) == "The token endpoint answered 400 'x': why X. Do it."
    assert str(OAuthError("x", status=400, advice="Do it.")) == "The token endpoint answered 400 'x'. Do it."
    assert str(TransportError("text", sent=True)) == "text"
    assert str(UnavailableError("text", status=500)) == "text"
    assert str(OutageError("text", retry_after=1.0)) == "text"


def test_plain_data_is_kept() -> None:
    refused = InvalidGrantError("invalid_grant", "dead", status=403)
    assert (refused.error, refused.description, refused.status) == ("invalid_grant", "dead", 403)
    denied = AccessDeniedError("access_denied", "no")
    assert (denied.error, denied.description) == ("access_denied", "no")
    assert TransportError("text", sent=True).sent is True
    assert TransportError("text", sent=False).sent is False
    ill = UnavailableError("text", status=503, retry_after=2.0)
    assert (ill.status, ill.retry_after) == (503, 2.0)
    assert UnavailableError("text", status=503).retry_after is None
    assert OutageError("text", retry_after=3.0).retry_after == 3.0
