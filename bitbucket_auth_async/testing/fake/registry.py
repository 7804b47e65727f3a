"""Registry: which clients, persons and installations the fake knows."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import scope_set

CLIENT_ID = "fake-client-id"
CLIENT_SECRET = "fake-client-secret"  # noqa: S105  - it opens nothing but the fake

_SCOPE = frozenset({"account", "email", "repository"})


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


class Registry:
    """Who is known; one client and one person are from the start: `client` and `person`."""

    def __init__(self) -> None:
        """Register the first client and the first person."""
        self.clients: dict[str, RegisteredClient] = {}
        self.persons: dict[str, Person] = {}
        self.installations: list[Installation] = []
        self.person = self.register_person("ada", emails=("ada@example.com", "lovelace@example.org"))
        self.client = self.register_client(CLIENT_ID, CLIENT_SECRET)

    def register_client(  # noqa: PLR0913  - the form that one fills in at Bitbucket has as many fields
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        callback: str | None = "http://127.0.0.1:8372/callback",
        private: bool = True,
        scope: Iterable[str] = _SCOPE,
        workspace: str = "acme",
        owner: Person | None = None,
    ) -> Client:
        """Register a client and return it as its program knows it; left out, key and secret are made up."""
        client = RegisteredClient(
            client_id=secrets.token_hex(16) if client_id is None else client_id,
            client_secret=secrets.token_hex(38) if client_secret is None else client_secret,
            callback=callback,
            private=private,
            scope=scope_set(scope),
            workspace=workspace,
            owner=owner or self.person,
        )
        self.clients[client.client_id] = client
        return client.client

    def registration(self, client: Client | None = None) -> RegisteredClient:
        """Return the registration of a client, to change it."""
        return self.clients[(client or self.client).client_id]

    def register_person(
        self,
        username: str,
        *,
        display_name: str | None = None,
        password: str | None = None,
        emails: Iterable[str] | None = None,
        active: bool = True,
    ) -> Person:
        """Register a person; what is left out is made up."""
        person = Person(
            username=username,
            display_name=username.title() if display_name is None else display_name,
            password=secrets.token_hex(8) if password is None else password,
            emails=(f"{username}@example.com",) if emails is None else tuple(emails),
            active=active,
        )
        self.persons[username] = person
        return person

    def register_installation(
        self, app_key: str, client_key: str, shared_secret: str, *, client: Client | None = None
    ) -> Installation:
        """Register a Connect app in a workspace, so that its JWTs are traded for tokens."""
        installation = Installation(
            client=self.registration(client), app_key=app_key, client_key=client_key, shared_secret=shared_secret
        )
        self.installations.append(installation)
        return installation
