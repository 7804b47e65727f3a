"""CredentialOptions: the client, and the grant of a full credentials request."""

from collections.abc import Awaitable, Callable

from bitbucket_auth_async.bitbucket.client_from_env import client_from_env
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials, Grant, Password

Credentials = Client | tuple[str, str]
"""A client, or a person's name and password."""

Provider = Callable[[], Awaitable[Credentials]]
"""Called for credentials when they are needed."""


class CredentialOptions:
    """The options that hold credentials; the provider is called once at most, and only when it is needed."""

    def __init__(self, provider: Provider | None, username: str | None, password: str | None) -> None:
        """Keep the options.

        Raises:
            ConfigurationError: Only one of *username* and *password* is given.
        """
        self._provider = provider
        self._given: Credentials | None = None
        if username is not None or password is not None:
            if username is None or password is None:
                present, missing = ("username", "password") if password is None else ("password", "username")
                msg = f"{present} is given without {missing}. Give both."
                raise ConfigurationError(msg)
            self._given = (username, password)

    async def client(self, key: str | None, secret: str | None) -> Client:
        """Return the client from the options, else from the environment, else from the provider.

        Raises:
            ConfigurationError: No client is named, or only one of *key* and *secret* is given.
        """
        if key is not None or secret is not None:
            if key is None or secret is None:
                present, missing = ("key", "secret") if secret is None else ("secret", "key")
                msg = f"consumer_{present} is given without consumer_{missing}. Give both."
                raise ConfigurationError(msg)
            return Client(key, secret)
        try:
            return client_from_env()
        except ConfigurationError as error:
            given = await self._credentials()
            if isinstance(given, Client):
                return given
            error.add_note("Or give get_access_token the options consumer_key and consumer_secret.")
            raise

    async def grant(self) -> Grant:
        """Return the grant of a full credentials request."""
        given = await self._credentials()
        return ClientCredentials() if given is None or isinstance(given, Client) else Password(*given)

    async def _credentials(self) -> Credentials | None:
        if self._given is None and self._provider is not None:
            given = await self._provider()
            if not isinstance(given, Client) and not _is_pair(given):
                msg = "credentials_provider: expected a Client, or a pair of name and password."
                raise ConfigurationError(msg)
            self._given = given
        return self._given


def _is_pair(value: object) -> bool:
    match value:
        case (str(), str()):
            return True
        case _:
            return False
