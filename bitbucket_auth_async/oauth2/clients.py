"""Client: how a client authenticates at the token endpoint (RFC 6749 section 2.3)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import quote_plus

from bitbucket_auth_async.errors import ConfigurationError


class ClientAuthentication(Protocol):
    """A client as the token endpoint sees it: an id, and credentials for each request."""

    @property
    def client_id(self) -> str:
        """The public identifier of the client."""
        ...

    def proof(self, token_endpoint: str, *, now: float) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the headers and the form fields that authenticate the client."""
        ...


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client; Bitbucket calls it an OAuth consumer, with a key (the id) and a secret.

    `auth_method` takes RFC 7591's names. The default is `client_secret_basic` with a secret and `none` without.
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    auth_method: Literal["client_secret_basic", "client_secret_post", "none"] | None = None

    def __post_init__(self) -> None:
        """Check the arguments before the server does.

        Raises:
            ConfigurationError: The id is empty, or the secret is missing or empty where the method needs one.
        """
        if not isinstance(self.client_id, str) or not self.client_id.strip():
            msg = "client_id is empty. Give the Key of your OAuth consumer."
            raise ConfigurationError(msg)
        if self.client_secret is not None and not self.client_secret.strip():
            msg = "client_secret is empty. Give the Secret of your OAuth consumer, or None for a public client."
            raise ConfigurationError(msg)
        if self.auth_method not in {None, "client_secret_basic", "client_secret_post", "none"}:
            msg = f"auth_method {self.auth_method!r} is unknown: use client_secret_basic, client_secret_post or none."
            raise ConfigurationError(msg)
        if self.auth_method not in {None, "none"} and self.client_secret is None:
            msg = f"auth_method {self.auth_method} needs a client_secret."
            raise ConfigurationError(msg)

    def proof(self, token_endpoint: str, *, now: float) -> tuple[Mapping[str, str], Mapping[str, str]]:  # noqa: ARG002  - a signed proof needs both, this one neither
        """Return the headers and the form fields that authenticate the client."""
        if self.client_secret is None or self.auth_method == "none":
            return {}, {"client_id": self.client_id}
        if self.auth_method == "client_secret_post":
            return {}, {"client_id": self.client_id, "client_secret": self.client_secret}
        # RFC 6749 section 2.3.1: form-encode both before joining.
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}, {}
