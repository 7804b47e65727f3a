"""Everything this package raises: one root, and a class only where a caller would act differently."""

from typing import Any, Self


class BitbucketAuthError(Exception):
    """The root of all errors of this package; holds plain data, never a secret.

    Attributes:
        retryable: Whether the same call may succeed later without anybody's help.
    """

    retryable: bool = False

    def again(self) -> Self:
        """Return the same error anew, so that each of many waiters raises one with a traceback of its own."""
        error = type(self).__new__(type(self))
        error.args = self.args
        # Lists too (`__notes__`), or a note added by one waiter would show up at all of them.
        error.__dict__.update(
            {name: value[:] if isinstance(value, list) else value for name, value in vars(self).items()}
        )
        error.__cause__ = self
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle whole, whatever the constructor takes."""
        return (type(self).__new__, (type(self), *self.args), self.__dict__.copy())


class ConfigurationError(BitbucketAuthError):
    """The program asks for something that can't work; the message says what to change."""


class LoginRequiredError(BitbucketAuthError):
    """Nothing is left to renew with: the person must sign in again (or the client be given a grant)."""


class AuthorizationError(BitbucketAuthError):
    """The authorization endpoint sent an error back (RFC 6749 section 4.1.2.1).

    Attributes:
        error: The server's code, such as `access_denied` or `invalid_scope`.
        description: The server's text for developers, if it sent one.
    """

    def __init__(self, error: str, description: str | None = None, *, advice: str = "") -> None:
        """Say what the server said, and what to do about it where that is known."""
        said = f"The authorization server answered {error!r}" + (f": {description}" if description else ".")
        super().__init__(f"{said.rstrip('.')}. {advice}" if advice else said)
        self.error = error
        self.description = description


class AccessDeniedError(AuthorizationError):
    """The person said no (`error=access_denied`)."""


class CallbackError(BitbucketAuthError):
    """The redirect that came back does not answer our authorization request; begin the login again."""


class OAuthError(BitbucketAuthError):
    """The token endpoint refused the request (RFC 6749 section 5.2); client or request must be mended.

    Attributes:
        error: The server's code, such as `invalid_scope`.
        description: The server's text for developers, if it sent one.
        status: The HTTP status.
    """

    def __init__(self, error: str, description: str | None = None, *, status: int, advice: str = "") -> None:
        """Say what the server said, and what to do about it where that is known."""
        said = f"The token endpoint answered {status} {error!r}" + (f": {description}" if description else "")
        super().__init__(f"{said.rstrip('.')}. {advice}".rstrip())
        self.error = error
        self.description = description
        self.status = status


class InvalidGrantError(OAuthError):
    """What was presented is dead: a spent, expired or foreign code, or a refresh token that no longer works."""


class InvalidClientError(OAuthError):
    """The server does not know the client, its secret is wrong, or its registration is incomplete."""


class TransportError(BitbucketAuthError):
    """No whole answer came back from the token endpoint.

    Attributes:
        sent: False if the request surely did not reach the server (name lookup, connect, TLS).
        broken: True if the connection broke after the request had left, and no time ran out.
    """

    retryable = True

    def __init__(self, message: str, *, sent: bool, broken: bool = False) -> None:
        """Keep the message, and what the server may have seen of the request."""
        super().__init__(message)
        self.sent = sent
        self.broken = broken and sent


class UnavailableError(BitbucketAuthError):
    """The token endpoint answered, but not with a token or a refusal: 5xx, 429, HTML, garbage.

    Attributes:
        status: The HTTP status.
        retry_after: Seconds after which the server asked to be tried again, if it said so.
    """

    retryable = True

    def __init__(self, message: str, *, status: int, retry_after: float | None = None) -> None:
        """Keep the message, the status and the wait that the server asked for."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class OutageError(BitbucketAuthError):
    """The last renewal failed a moment ago, here or in another process, and the next one is not due yet.

    Attributes:
        retry_after: Seconds until the next attempt is due.
    """

    retryable = True

    def __init__(self, message: str, *, retry_after: float) -> None:
        """Keep the message and the wait."""
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineError(BitbucketAuthError):
    """The token did not come within the caller's deadline; the renewal goes on without this caller."""

    retryable = True


class StoreError(BitbucketAuthError):
    """The store could not be read or written: down, slow, full, read-only."""

    retryable = True


class RecordError(StoreError):
    """What the store holds is not a record we may touch: corrupt, foreign, of a newer schema, another's."""

    retryable = False
