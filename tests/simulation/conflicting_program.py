"""A program with another client or another grant that was given the same key by mistake."""

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, StoreError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.clocks import sleep
from tests.simulation.checks.judge import Judge
from tests.simulation.world import KEY, World

_PAUSE = 30.0


class ConflictingProgram:
    """Asks for a token twice, the first time perhaps without the store; it must get an error and change nothing."""

    def __init__(self, world: World, judge: Judge, *, without_store: bool) -> None:
        """Use another client, or the same client with another grant."""
        self._world = world
        self._judge = judge
        self._down = without_store
        other_client = world.rng.random() < 1 / 2
        grant = ClientCredentials() if without_store or not other_client else None
        client = world.fake.client
        if other_client or world.rules.app:
            client = world.fake.register_client("another", "its secret")
        self._manager = TokenManager(
            Client(client.client_id, client.client_secret),
            grant=grant,
            store=self,
            transport=world.fake,
            server=world.server,
            clock=world.clock,
            key=KEY,
        )

    async def run(self) -> None:
        """Ask, ask again with the store, and close."""
        try:
            await self._ask()
            self._down = False
            await sleep(self._world.clock, _PAUSE)
            await self._ask()
        finally:
            await self._manager.aclose()

    async def _ask(self) -> None:
        counts = self._world.journal.counts
        try:
            token = await self._manager.get_token()
        except ConfigurationError:
            counts["conflicting program: refused"] += 1
        except BitbucketAuthError as error:
            counts[f"conflicting program: {type(error).__name__}"] += 1
        else:
            record = self._judge.evidence.stored.current
            if record is not None and token == record.token:
                self._judge.evidence.breaks("R8: a program with another client or grant gets the token.")

    async def load(self, key: str, /) -> Versioned | None:
        """Load the processes' record."""
        if self._down:
            msg = "The conflicting program cannot reach the store."
            raise StoreError(msg)
        found = await self._world.store.load(key)
        # An empty store may be used by any program, so the simulation does not try that.
        if found is None or not found.record.issuer.token_endpoint:
            msg = "The conflicting program finds no record."
            raise StoreError(msg)
        return found

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Change nothing: the attempt is a broken promise."""
        self._judge.evidence.breaks(
            f"R8: a conflicting program writes a record of {record.issuer.client_id!r} under {key!r}."
        )
        return expected
