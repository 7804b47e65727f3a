"""The world of a manager: a fake clock, a fake server and one store; each further manager stands for a process."""

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
    """A store that fails, or stops in the middle of an operation, on demand."""

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner
        self.down = False
        self.read_only = False
        self.cancels = False
        """True: each operation raises CancelledError, as a driver does whose own task was cancelled."""
        self.confirmations_to_lose = 0
        """So many swaps are stored, and raise all the same."""
        self.gate: asyncio.Event | None = None
        """Each operation waits here before it begins; None: none waits."""
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
        if self.confirmations_to_lose:
            self.confirmations_to_lose -= 1
            raise ConnectionResetError
        return version

    def close_gate(self) -> None:
        """Let each operation wait from now on."""
        self.gate = asyncio.Event()

    def open_gate(self) -> None:
        """Let waiting and later operations continue."""
        assert self.gate is not None
        self.gate.set()

    async def _pass(self) -> None:
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        if self.cancels:
            raise asyncio.CancelledError
        if self.down:
            raise ConnectionRefusedError


class HookedTransport:
    """The transport to the fake server; a hook runs after each response."""

    def __init__(self, fake: FakeBitbucket) -> None:
        self.fake = fake
        self.after_response: Callable[[], object] | None = None

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        response = await self.fake.send(request, timeout=timeout)
        if self.after_response is not None:
            self.after_response()
        return response

    async def aclose(self) -> None:
        msg = "a manager closed a transport that it does not own"
        raise AssertionError(msg)


class World:
    """One clock, one server and one store; managers stand for processes that share them."""

    def __init__(self, *, strict: bool = False) -> None:
        self.clock = FakeClock()
        self.fake = FakeBitbucket(self.clock, strict=strict)
        self.transport = HookedTransport(self.fake)
        self.shared_store = MemoryStore()
        self.events: list[Event] = []
        self.strict = strict
        self.stores: dict[TokenManager, FaultyStore] = {}

    def manager(self, **options: Any) -> TokenManager:  # noqa: ANN401 - whatever TokenManager takes
        """Return a new manager, as another process would make it."""
        store = FaultyStore(self.shared_store)
        given: dict[str, Any] = {
            "store": store,
            "transport": self.transport,
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
        """Stop a manager as SIGKILL would: it writes nothing more, and no other manager is told."""
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
        """Return the stored record."""
        found = await self.shared_store.load(key)
        assert found is not None
        return found.record

    async def token(self) -> Token:
        """Return the stored token."""
        token = (await self.record()).token
        assert token is not None
        return token

    def event_kinds(self) -> list[EventKind]:
        """Return the kinds of all events so far, without the routine ones."""
        return [event.kind for event in self.events if event.kind not in ROUTINE]

    async def expire(self) -> None:
        """Let the current access token expire."""
        await self.clock.advance(3600)
