"""Who is registered at the fake: clients, persons, and installations of a Connect app."""

from dataclasses import dataclass, field

from bitbucket_auth_async.oauth2.clients import Client


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody with a Bitbucket account; change `active` to close it."""

    username: str
    display_name: str
    password: str = field(repr=False)
    emails: tuple[str, ...] = ()
    """The first one is the primary address."""
    active: bool = True


@dataclass(slots=True, kw_only=True)
class RegisteredClient:
    """What Bitbucket calls an OAuth consumer."""

    client_id: str
    client_secret: str = field(repr=False)
    callback: str | None
    private: bool
    """The box "This is a private consumer" is ticked."""
    scope: frozenset[str]
    workspace: str
    owner: Person | None = None

    @property
    def client(self) -> Client:
        """The client as its own program knows it."""
        return Client(self.client_id, self.client_secret)


@dataclass(slots=True, kw_only=True)
class Installation:
    """A Connect app in one workspace, and the secret that both sides share."""

    client: RegisteredClient
    app_key: str
    client_key: str
    shared_secret: str = field(repr=False)
