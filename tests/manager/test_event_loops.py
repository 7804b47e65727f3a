"""A manager runs in other event loops and in debug mode, and leaves neither tasks nor warnings behind."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import uvloop

from bitbucket_auth_async import Client, ClientCredentials, Token, TokenManager
from bitbucket_auth_async.oauth2.grants import AuthorizationCode
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport
from tests.support.manager_world import World
from tests.support.programs.manager_lifecycle import lifecycle

ROOT = Path(__file__).parents[2]


@pytest.fixture
def complaints(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what asyncio logged: tasks destroyed, exceptions never retrieved."""

    def complaints() -> list[str]:
        gc.collect()
        return [record.getMessage() for record in caplog.records if record.name == "asyncio"]

    return complaints


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_manager_works_from_sign_in_to_logout_in_each_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, complaints: Callable[[], list[str]]
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(lifecycle(tmp_path))
    assert complaints() == []


def test_a_manager_works_from_sign_in_to_logout_in_debug_mode_without_a_warning(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-X",
        "dev",
        "-W",
        "error",
        "-m",
        "tests.support.programs.manager_lifecycle",
        str(tmp_path),
    ]
    environment = {**os.environ, "PYTHONASYNCIODEBUG": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_first_request_imports_aiohttp_outside_the_event_loop(tmp_path: Path) -> None:
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
def test_a_close_just_before_the_loop_ends_leaves_no_task(
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
def test_r4_a_program_that_ends_during_a_renewal_leaves_no_task(
    world: World,
    sign_in: bool,  # noqa: FBT001 - a parameter of the test
    complaints: Callable[[], list[str]],
) -> None:
    manager = world.manager()
    store = world.stores[manager]

    async def end_in_the_middle() -> None:
        await manager.adopt(world.fake.sign_in())
        await world.expire()
        world.transport.after_response = store.close_gate
        what = manager.exchange(_code(world)) if sign_in else manager.get_token()
        caller = asyncio.create_task(what)
        await store.waiting.wait()  # the new token has arrived and is being saved
        assert not caller.done()

    with closing(asyncio.new_event_loop()) as loop, asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(end_in_the_middle())
    assert asyncio.all_tasks(loop) == set()
    assert complaints() == []


def _code(world: World) -> AuthorizationCode:
    callback = world.fake.authorize({"client_id": world.fake.client.client_id, "response_type": "code"})
    return AuthorizationCode(parse_qs(urlsplit(callback).query)["code"][0])


async def test_a_failed_background_renewal_is_reported_and_asyncio_logs_nothing(
    world: World, complaints: Callable[[], list[str]]
) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    with world.fake.inject(faults.status(503), times=None):
        await manager.get_token()  # stale: the renewal runs in the background and fails
        await world.clock.settle()
    assert world.event_kinds()[-1] is EventKind.OUTAGE_BEGAN
    assert complaints() == []


async def test_a_session_that_the_caller_passed_is_not_closed() -> None:
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
