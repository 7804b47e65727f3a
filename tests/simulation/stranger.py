"""A stranger: a program of another client, or with another grant, that was given the same key by mistake."""

from typing import TYPE_CHECKING

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, StoreError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.clocks import sleep

if TYPE_CHECKING:
    from tests.simulation.fleet import Fleet

_KEY = "alice"
_A_WHILE = 30.0


class Stranger:
    """Asks once, perhaps while it can't reach the store; it must be told, and change nothing."""

    def __init__(self, fleet: "Fleet", *, without_store: bool) -> None:
        """Be another client, or the same one with a grant of its own."""
        self._fleet = fleet
        self._down = without_store
        other = fleet.chance.random() < 1 / 2
        grant = ClientCredentials() if without_store or not other else None
        client = (
            fleet.fake.register_client("another", "its secret") if other or fleet.setting.app else fleet.fake.client
        )
        self._manager = TokenManager(
            Client(client.client_id, client.client_secret),
            grant=grant,
            store=self,
            transport=fleet.fake,
            server=fleet.server,
            clock=fleet.clock,
            key=_KEY,
        )

    async def call(self) -> None:
        """Ask, again once the store is there, and close."""
        try:
            await self._ask()
            self._down = False
            await sleep(self._fleet.clock, _A_WHILE)
            await self._ask()
        finally:
            await self._manager.aclose()

    async def _ask(self) -> None:
        judge = self._fleet.judge
        try:
            token = await self._manager.get_token()
        except ConfigurationError:
            judge.counts["stranger: turned away"] += 1
        except BitbucketAuthError as error:
            judge.counts[f"stranger: {type(error).__name__}"] += 1
        else:
            if judge.records.current is not None and token == judge.records.current.token:
                judge.breaks("R8: a stranger gets the token of somebody else.")

    async def load(self, key: str, /) -> Versioned | None:
        """Load what the fleet has."""
        if self._down:
            msg = "The stranger does not reach the store."
            raise StoreError(msg)
        found = await self._fleet.records.load(key)
        # Where there is nothing, a stranger may begin; that is no mistake of the protocol, so it is not tried.
        if found is None or not found.record.issuer.token_endpoint:
            msg = "The stranger finds nothing."
            raise StoreError(msg)
        return found

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Change nothing: trying to is a broken promise."""
        self._fleet.judge.breaks(f"R8: a stranger writes a record of {record.issuer.client_id!r} under {key!r}.")
        return expected
