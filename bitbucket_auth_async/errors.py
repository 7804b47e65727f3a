"""The exceptions of this package: one root, and a class only where a caller acts differently."""

from typing import Any, Self


class BitbucketAuthError(Exception):
    """The root of all errors of this package; contains plain data, never a secret.

    Attributes:
        retryable: True if the same call may succeed later by itself.
    """

    retryable: bool = False

    def again(self) -> Self:
        """Return a copy, so that each of many waiters raises an error with its own traceback."""
        error = type(self).__new__(type(self))
        error.args = self.args
        # Copies lists too (`__notes__`): a note that one waiter adds must not appear on the others.
        error.__dict__.update(
            {name: value[:] if isinstance(value, list) else value for name, value in vars(self).items()}
        )
        error.__cause__ = self
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle all attributes, independent of the constructor's arguments."""
        return (type(self).__new__, (type(self), *self.args), self.__dict__.copy())


class ConfigurationError(BitbucketAuthError):
    """The program's configuration can't work; the message says what to change."""


class LoginRequiredError(BitbucketAuthError):
    """Nothing is left to renew with: the person must sign in again (or the client be given a grant)."""


class AuthorizationError(BitbucketAuthError):
    """The authorization endpoint sent an error back (RFC 6749 section 4.1.2.1).

    Attributes:
        error: The server's code, such as `access_denied` or `invalid_scope`.
        description: The server's text for developers, if it sent one.
    """

    def __init__(self, error: str, description: str | None = None, *, advice: str = "") -> None:
        """Quote the server, and add advice where there is some."""
        quoted = f"The authorization server answered {error!r}" + (f": {description}" if description else ".")
        super().__init__(f"{quoted.rstrip('.')}. {advice}" if advice else quoted)
        self.error = error
        self.description = description


class AccessDeniedError(AuthorizationError):
    """The person refused access (`error=access_denied`)."""


class CallbackError(BitbucketAuthError):
    """The callback does not belong to our authorization request; begin the login again."""


class OAuthError(BitbucketAuthError):
    """The token endpoint refused the request (RFC 6749 section 5.2); correct the client or the request.

    Attributes:
        error: The server's code, such as `invalid_scope`.
        description: The server's text for developers, if it sent one.
        status: The HTTP status.
    """

    def __init__(self, error: str, description: str | None = None, *, status: int, advice: str = "") -> None:
        """Quote the server, and add advice where there is some."""
        quoted = f"The token endpoint answered {status} {error!r}" + (f": {description}" if description else "")
        super().__init__(f"{quoted.rstrip('.')}. {advice}".rstrip())
        self.error = error
        self.description = description
        self.status = status


class InvalidGrantError(OAuthError):
    """The grant is no longer valid: a spent, expired or foreign code, or a dead refresh token."""


class InvalidClientError(OAuthError):
    """The server does not know the client, its secret is wrong, or its registration is incomplete."""


class TransportError(BitbucketAuthError):
    """The token endpoint gave no complete answer.

    Attributes:
        sent: False if the request certainly did not reach the server (name lookup, connect, TLS).
        broken: True if the connection broke after the request was sent, before the time was up.
    """

    retryable = True

    def __init__(self, message: str, *, sent: bool, broken: bool = False) -> None:
        """Keep the message, and whether the server may have seen the request."""
        super().__init__(message)
        self.sent = sent
        self.broken = broken and sent


class UnavailableError(BitbucketAuthError):
    """The token endpoint answered neither with a token nor with a refusal: 5xx, 429, HTML, garbage.

    Attributes:
        status: The HTTP status.
        retry_after: The server's Retry-After in seconds, if it sent one.
    """

    retryable = True

    def __init__(self, message: str, *, status: int, retry_after: float | None = None) -> None:
        """Keep the message, the status and the Retry-After."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class OutageError(BitbucketAuthError):
    """The last renewal failed, here or in another process, and the next attempt is not due yet.

    Attributes:
        retry_after: Seconds until the next attempt is due.
    """

    retryable = True

    def __init__(self, message: str, *, retry_after: float) -> None:
        """Keep the message and the wait."""
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineError(BitbucketAuthError):
    """No token came within the caller's deadline; the renewal goes on."""

    retryable = True


class StoreError(BitbucketAuthError):
    """The store could not be read or written: down, slow, full, read-only."""

    retryable = True


class RecordError(StoreError):
    """The stored record can't be used: it is corrupt, foreign, of a newer schema or another key's."""

    retryable = False
