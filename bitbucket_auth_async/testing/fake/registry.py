"""Registry: the clients, people and Connect installations registered at the fake."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import scope_set

CLIENT_ID = "fake-client-id"
CLIENT_SECRET = "fake-client-secret"  # noqa: S105  - valid only at the fake

_SCOPE = frozenset({"account", "email", "repository"})


@dataclass(slots=True, kw_only=True)
class Person:
    """A person with a Bitbucket account; `active = False` closes the account."""

    username: str
    display_name: str
    password: str = field(repr=False)
    emails: tuple[str, ...] = ()
    """The first is the primary address."""
    active: bool = True


@dataclass(slots=True, kw_only=True)
class RegisteredClient:
    """A registered client; Bitbucket calls it an OAuth consumer."""

    client_id: str
    client_secret: str = field(repr=False)
    callback: str | None
    private: bool
    """True if "This is a private consumer" is ticked."""
    scope: frozenset[str]
    workspace: str
    owner: Person | None = None

    @property
    def client(self) -> Client:
        """The client with its credentials, as a program uses it."""
        return Client(self.client_id, self.client_secret)


@dataclass(slots=True, kw_only=True)
class Installation:
    """A Connect app installed in one workspace, with its shared secret."""

    client: RegisteredClient
    app_key: str
    client_key: str
    shared_secret: str = field(repr=False)


class Registry:
    """Registered clients and people; `client` and `person` exist from the start."""

    def __init__(self) -> None:
        """Register the first client and the first person."""
        self.clients: dict[str, RegisteredClient] = {}
        self.persons: dict[str, Person] = {}
        self.installations: list[Installation] = []
        self.person = self.register_person("ada", emails=("ada@example.com", "lovelace@example.org"))
        self.client = self.register_client(CLIENT_ID, CLIENT_SECRET)

    def register_client(  # noqa: PLR0913  - Bitbucket's form has as many fields
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
        """Register a client and return it; omitted credentials are generated."""
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
        """Return the registration of a client, which may be changed."""
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
        """Register a person; omitted values are generated."""
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
        """Register a Connect app in a workspace, so that its JWTs can be exchanged for tokens."""
        installation = Installation(
            client=self.registration(client), app_key=app_key, client_key=client_key, shared_secret=shared_secret
        )
        self.installations.append(installation)
        return installation
