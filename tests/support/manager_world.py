"""What the tests of the promises share: a clock and a server that are told, managers for processes."""

import asyncio
from typing import TYPE_CHECKING, Any

from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.telemetry.events import ROUTINE, Event, EventKind
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

STRICT = AuthorizationServer(
    authorization_endpoint="https://strict.example/authorize",
    token_endpoint="https://strict.example/token",
    api_origins=frozenset({"https://api.strict.example"}),
)


class FaultyStore:
    """A store that goes down, or stops an operation half-way, when a test says so."""

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner
        self.down = False
        self.read_only = False
        self.gives_up = False
        """Each operation waits for something that is cancelled."""
        self.swaps_to_lose = 0
        """So many swaps get in, but their confirmation is lost."""
        self.gate: asyncio.Event | None = None
        """Set: each operation waits here before it happens."""
        self.waiting = asyncio.Event()
        self.log: list[str] = []

    async def load(self, key: str, /) -> Versioned | None:
        self.log.append("load")
        await self._pass()
        return await self.inner.load(key)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        self.log.append("swap")
        await self._pass()
        if self.read_only:
            raise PermissionError
        version = await self.inner.swap(key, record, expected=expected)
        if self.swaps_to_lose:
            self.swaps_to_lose -= 1
            raise ConnectionResetError
        return version

    def close_gate(self) -> None:
        """Let each operation from here on wait."""
        self.gate = asyncio.Event()

    def open_gate(self) -> None:
        """Let those that wait go on, and all later ones through."""
        assert self.gate is not None
        self.gate.set()

    async def _pass(self) -> None:
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        if self.gives_up:
            raise asyncio.CancelledError
        if self.down:
            raise ConnectionRefusedError


class Line:
    """The way to the server; a test may do something the moment after an answer left it."""

    def __init__(self, fake: FakeBitbucket) -> None:
        self.fake = fake
        self.then: Callable[[], object] | None = None

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        response = await self.fake.send(request, timeout=timeout)
        if self.then is not None:
            self.then()
        return response

    async def aclose(self) -> None:
        msg = "a transport that was given is not closed"
        raise AssertionError(msg)


class World:
    """One server, one store, one clock; managers stand for processes that share them."""

    def __init__(self, *, strict: bool = False) -> None:
        self.clock = FakeClock()
        self.fake = FakeBitbucket(self.clock, strict=strict)
        self.line = Line(self.fake)
        self.records = MemoryStore()
        self.events: list[Event] = []
        self.strict = strict
        self.stores: dict[TokenManager, FaultyStore] = {}

    def manager(self, **options: Any) -> TokenManager:  # noqa: ANN401 - whatever TokenManager takes
        """Return a new manager, as another process would make it."""
        store = FaultyStore(self.records)
        given: dict[str, Any] = {
            "store": store,
            "transport": self.line,
            "clock": self.clock,
            "key": "alice",
            "on_event": self.events.append,
            **({"server": STRICT} if self.strict else {}),
            **options,
        }
        client = given.pop("client", self.fake.client)
        manager = TokenManager(client, **given)
        self.stores[manager] = store
        return manager

    async def crash(self, manager: TokenManager) -> None:
        """Stop a manager as SIGKILL would: nothing it was about to write is written, and nobody else hears of it."""
        self.stores[manager].gate = asyncio.Event()  # never set
        tasks = manager._tasks
        if tasks is None:
            return
        mine = [task for task in asyncio.all_tasks() if task.get_name().endswith(f" of {manager.key}")]
        for task in mine:
            if task in (tasks.renewal and tasks.renewal.task, tasks._saver):
                task.cancel()
        await self.clock.settle()

    async def record(self, key: str = "alice") -> Record:
        """Return what the store holds."""
        found = await self.records.load(key)
        assert found is not None
        return found.record

    async def token(self) -> Token:
        """Return the token that the store holds."""
        token = (await self.record()).token
        assert token is not None
        return token

    def kinds(self) -> list[EventKind]:
        """Return what happened, without what happens when all is well."""
        return [event.kind for event in self.events if event.kind not in ROUTINE]

    async def expire(self) -> None:
        """Let the present access token run out."""
        await self.clock.advance(3600)
