"""Where a manager runs: other loops than asyncio's, debug mode, busy sessions, stores that hang; nothing complains."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import uvloop

from bitbucket_auth_async import Client, ClientCredentials, Token, TokenManager
from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.oauth2.grants import AuthorizationCode
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve, server_at
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport
from tests.manager.day import day
from tests.support.manager_world import World
from tests.support.shifted_clock import AheadClock

ROOT = Path(__file__).parents[2]


@pytest.fixture
def complaints(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Tell what asyncio had to say: tasks destroyed, exceptions that nobody looked at."""

    def complaints() -> list[str]:
        gc.collect()
        return [record.getMessage() for record in caplog.records if record.name == "asyncio"]

    return complaints


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_whole_day_in_this_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, complaints: Callable[[], list[str]]
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(day(tmp_path))
    assert complaints() == []


def test_a_whole_day_in_debug_mode_without_a_warning(tmp_path: Path) -> None:
    words = [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.manager.day", str(tmp_path)]
    environment = {**os.environ, "PYTHONASYNCIODEBUG": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_first_request_does_not_import_aiohttp_in_the_loop(tmp_path: Path) -> None:
    program = """
import asyncio, sys, threading
from bitbucket_auth_async import *

class Witness:
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp":
            print(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Witness())
server = AuthorizationServer(
    authorization_endpoint="http://127.0.0.1:9/a", token_endpoint="http://127.0.0.1:9/t", api_origins=frozenset()
)

async def main():
    async with TokenManager(Client("id", "secret"), grant=ClientCredentials(), server=server) as manager:
        try:
            await manager.get_token()
        except TransportError:
            print("asked")

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "asked"]


@pytest.mark.parametrize("keep_fresh", [False, True])
def test_closing_at_the_very_end_of_a_loop_leaves_no_task_behind(
    world: World,
    keep_fresh: bool,  # noqa: FBT001 - a parameter of the test
    complaints: Callable[[], list[str]],
) -> None:
    manager = world.manager(keep_fresh=keep_fresh)

    async def use() -> None:
        await manager.__aenter__()
        await manager.adopt(world.fake.sign_in())
        await world.expire()
        await manager.get_token()

    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(use())
        loop.run_until_complete(manager.aclose())
        assert asyncio.all_tasks(loop) == set()
    assert complaints() == []


@pytest.mark.parametrize("sign_in", [False, True])
def test_r4_a_program_that_ends_in_the_middle_of_its_work_leaves_no_task_behind(
    world: World,
    sign_in: bool,  # noqa: FBT001 - a parameter of the test
    complaints: Callable[[], list[str]],
) -> None:
    manager = world.manager()
    store = world.stores[manager]

    async def end_in_the_middle() -> None:
        await manager.adopt(world.fake.sign_in())
        await world.expire()
        world.line.then = store.close_gate
        what = manager.exchange(_code(world)) if sign_in else manager.get_token()
        caller = asyncio.create_task(what)
        await store.waiting.wait()  # the new token is here, and on its way to the store
        assert not caller.done()

    with closing(asyncio.new_event_loop()) as loop, asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(end_in_the_middle())
    assert asyncio.all_tasks(loop) == set()
    assert complaints() == []


def _code(world: World) -> AuthorizationCode:
    callback = world.fake.authorize({"client_id": world.fake.client.client_id, "response_type": "code"})
    return AuthorizationCode(parse_qs(urlsplit(callback).query)["code"][0])


async def test_a_failure_that_nobody_waits_for_is_told_and_complains_to_no_one(
    world: World, complaints: Callable[[], list[str]]
) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    with world.fake.inject(faults.status(503), times=None):
        await manager.get_token()  # stale: the renewal runs beside, and fails
        await world.clock.settle()
    assert world.kinds()[-1] is EventKind.OUTAGE_BEGAN
    assert complaints() == []


class StuckStore(MemoryStore):
    """A store on a disk that hangs: what is called neither ends nor can be cancelled, as a thread in the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self._stuck: asyncio.Event | None = None

    @contextmanager
    def hanging(self) -> Generator[None]:
        """Let it hang until the block ends."""
        self._stuck = asyncio.Event()
        try:
            yield
        finally:
            self._stuck.set()

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        await self._hang()
        return await super().swap(key, record, expected=expected)

    async def load(self, key: str, /) -> Versioned | None:
        await self._hang()
        return await super().load(key)

    async def _hang(self) -> None:
        while self._stuck is not None and not self._stuck.is_set():
            with suppress(asyncio.CancelledError):
                await self._stuck.wait()


async def test_r4_closing_is_bounded_even_if_the_store_can_not_be_cancelled(world: World) -> None:
    store = StuckStore()
    manager = world.manager(store=store)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with store.hanging():
        caller = asyncio.create_task(manager.get_token())
        await world.clock.settle()
        closing = asyncio.create_task(manager.aclose())
        await world.clock.advance(40)
        assert closing.done()
        assert world.kinds()[-1] is EventKind.SAVE_FAILED
    await closing
    assert world.fake.is_live((await caller).access_token), "what was done in spite of us is not lost"


async def test_r4_saving_what_is_left_is_bounded_even_if_the_store_can_not_be_cancelled(world: World) -> None:
    store = StuckStore()
    manager = world.manager(store=store)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with ExitStack() as stack:
        world.line.then = lambda: stack.enter_context(store.hanging())
        caller = asyncio.create_task(manager.get_token())
        await world.clock.advance(1)
        closing = asyncio.create_task(manager.aclose())
        await world.clock.advance(40)
        assert closing.done()
    await closing
    token = await caller
    kept = await store.load("alice")
    assert kept is not None
    assert kept.record.token == token


async def test_r4_closing_is_bounded_over_a_real_port_that_never_answers() -> None:
    fake = FakeBitbucket()
    async with serve(fake) as site:
        timing = Timing(closing=0.05)
        manager = TokenManager(fake.client, grant=ClientCredentials(), server=site.server, timing=timing)
        with fake.inject(faults.hold()) as held:
            caller = asyncio.create_task(manager.get_token())
            await held.reached.wait()
            async with asyncio.timeout(5):
                await manager.aclose()
        with pytest.raises(Exception, match=r"cancelled|closed"):
            await caller


async def test_r6_r7_callers_who_hold_every_connection_do_not_starve_the_renewal_that_others_wait_for() -> None:
    """200 of them, on a session of ten connections, each held by the API until the token was renewed."""
    clock = AheadClock()
    fake = FakeBitbucket(clock)
    async with (
        serve(fake) as site,
        TokenManager(fake.client, server=site.server, clock=clock, on_event=_deaf) as manager,
        authenticated_session(manager, connector=aiohttp.TCPConnector(limit=10)) as http,
    ):
        old = await manager.adopt(fake.sign_in())
        url = f"{site.base_url}/2.0/user"
        with fake.inject(faults.hold(), times=10, at="api") as held:
            callers = [asyncio.create_task(_status(http, url)) for _ in range(200)]
            async with asyncio.timeout(20):
                while held.hits < 10:  # noqa: ASYNC110 - the fake tells of the first one alone
                    await asyncio.sleep(0.005)
                clock.hurry(3600)
                new = await manager.get_token()
                callers += [asyncio.create_task(_status(http, url)) for _ in range(200)]
        async with asyncio.timeout(20):
            statuses = await asyncio.gather(*callers)
    assert new != old
    assert set(statuses) == {200}
    assert fake.token_requests == 1


async def test_r6_r7_synchronous_code_in_every_shared_thread_does_not_starve_the_renewal_that_it_waits_for() -> None:
    """A name has to be looked up, which asyncio does in the threads that all wait for the token."""
    fake, loop = FakeBitbucket(), asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    async with serve(fake) as site:
        server = server_at(site.base_url.replace("127.0.0.1", "localhost"), fake)
        timing = Timing(request=5, lease=10)
        async with TokenManager(fake.client, grant=ClientCredentials(), server=server, timing=timing) as manager:

            def synchronous() -> Token:
                return asyncio.run_coroutine_threadsafe(manager.get_token(), loop).result()

            tokens = await asyncio.gather(*(loop.run_in_executor(None, synchronous) for _ in range(3)))
    assert len(set(tokens)) == 1
    assert fake.is_live(tokens[0].access_token)


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url) as response:
        await response.read()
        return response.status


def _deaf(event: Event) -> None:
    """Hear what happens, and do nothing."""


async def test_a_session_of_the_caller_is_never_closed() -> None:
    fake = FakeBitbucket()
    async with serve(fake) as site, aiohttp.ClientSession() as session:
        transport = AiohttpTransport(session)
        async with TokenManager(
            Client(fake.client.client_id, fake.client.client_secret),
            grant=ClientCredentials(),
            server=site.server,
            transport=transport,
        ) as manager:
            assert isinstance(await manager.get_token(), Token)
        assert not session.closed
