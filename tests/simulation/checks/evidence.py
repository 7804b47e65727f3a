"""The observations of one history; each check reads them and adds its own."""

from tests.simulation.checks.access_tokens import AccessTokens
from tests.simulation.checks.server_state import ServerState
from tests.simulation.checks.stored_records import StoredRecords
from tests.simulation.checks.token_requests import TokenRequests
from tests.simulation.world import World


class Evidence:
    """The server's tokens, the store's records, the requests and the access tokens of one history."""

    def __init__(self, world: World) -> None:
        """Start with nothing observed."""
        self.world = world
        self.server = ServerState(world.fake)
        self.stored = StoredRecords(world, self.server)
        self.requests = TokenRequests()
        self.access_tokens = AccessTokens(world)

    def breaks(self, what: str) -> None:
        """Record a broken promise."""
        self.world.journal.breaks(what)
