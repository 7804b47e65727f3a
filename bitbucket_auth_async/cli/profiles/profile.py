"""A profile: one sign-in, with its client, server and store. It holds no secret."""

import shlex
from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args

from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.oauth2.json_types import expect_count, expect_mapping, expect_str

_LAST_PORT = 65535
GrantType = Literal["authorization_code", "client_credentials", "access_token", "api_token"]
SecretPlace = Literal["environment", "file", "keyring", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One sign-in: by which client, at which server, and in which store its token is kept."""

    name: str
    client_id: str
    """The client; the e-mail address of an API token; empty for an access token."""
    secret: SecretPlace
    """Where the client's secret is kept."""
    grant_type: GrantType
    """The grant, or the kind of static token."""
    store: str
    """The store's URL; `environment`: the value of BITBUCKET_AUTH_STORE."""
    server: str = paths.CLOUD
    port: int = 8372
    """Port of the redirect URI; 0: any free port."""

    @property
    def is_static(self) -> bool:
        """Whether its token was created at Bitbucket and can't be renewed."""
        return self.grant_type in paths.STATIC

    @property
    def kind(self) -> str:
        """The kind of its token, for users."""
        return {"access_token": "access token", "api_token": "API token"}.get(self.grant_type, "OAuth access token")

    @property
    def credential(self) -> str:
        """The kind of its token, with the e-mail address of an API token."""
        return f"{self.kind} of {self.client_id}" if self.grant_type == "api_token" else self.kind

    @property
    def login_command(self) -> str:
        """The shell command that signs in again."""
        option = "" if self.grant_type == "authorization_code" else f" --{self.grant_type.replace('_', '-')}"
        return f"bitbucket-auth login{option} --profile {shlex.quote(self.name)}"

    @property
    def key(self) -> str:
        """The key of its record in the store."""
        return paths.record_key(self.name, self.grant_type, self.client_id, self.server)

    def to_plain(self) -> dict[str, Any]:
        """Return the profile, without its name, as a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "name"}

    @classmethod
    def from_plain(cls, name: str, data: object) -> Self:
        """Return the profile that `to_plain` wrote.

        Raises:
            TypeError, KeyError, ValueError: It is damaged.
        """
        found = expect_mapping(data)
        return cls(
            name=name,
            client_id=expect_str(found["client_id"]),
            secret=cast("SecretPlace", _one_of(found["secret"], *get_args(SecretPlace))),
            grant_type=cast("GrantType", _one_of(found["grant_type"], *get_args(GrantType))),
            store=expect_str(found["store"]),
            server=expect_str(found["server"]),
            port=_port(found["port"]),
        )


def _port(value: object) -> int:
    port = expect_count(value)
    if port > _LAST_PORT:
        raise ValueError
    return port


def _one_of(value: object, *known: str) -> str:
    if value not in known:
        raise ValueError
    return expect_str(value)
