"""A manager serves one loop at a time in one process; elsewhere its error says what to do instead."""

import asyncio
import copy
import gc
import pickle
import sys
import threading
import weakref
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
import trio

from bitbucket_auth_async import (
    Client,
    ClientCredentials,
    ConfigurationError,
    LoginRequiredError,
    Token,
    TokenManager,
    TokenManagerPool,
)
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve, server_at
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport
from tests.support.manager_world import FaultyStore, World
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]


def expired(token: Token) -> Token:
    """Return an expired token with a valid refresh token."""
    return Token(access_token=token.access_token, refresh_token=token.refresh_token, issued_at=0.0, expires_at=1.0)


def test_a_manager_created_without_a_loop_serves_two_loops_in_turn(world: World) -> None:
    manager = world.manager()

    async def use() -> Token:
        await world.expire()
        return await manager.get_token()

    asyncio.run(_adopt(manager, world))
    first, second = asyncio.run(use()), asyncio.run(use())
    assert first != second
    assert world.fake.token_requests == 2


async def _adopt(manager: TokenManager, world: World) -> None:
    await manager.adopt(world.fake.sign_in())


@pytest.mark.parametrize("given", [False, True])
def test_a_manager_serves_two_loops_in_turn_over_a_real_port(world: World, given: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Sockets belong to a loop; with the default transport and with a given one."""
    port = free_port()
    server = server_at(f"http://127.0.0.1:{port}", world.fake)
    transport = AiohttpTransport() if given else None
    manager = TokenManager(world.fake.client, clock=world.clock, server=server, transport=transport)

    async def use() -> Token:
        async with serve(world.fake, port):
            await world.expire()
            return await manager.get_token()

    asyncio.run(_adopt(manager, world))
    assert asyncio.run(use()) != asyncio.run(use())
    asyncio.run(manager.aclose())
    assert world.fake.token_requests == 2


def test_keep_fresh_goes_on_in_the_second_loop(world: World) -> None:
    manager = world.manager(keep_fresh=True)
    asyncio.run(_adopt(manager, world))

    async def idle() -> None:
        async with manager:
            await world.clock.advance(3600)

    asyncio.run(idle())
    assert world.fake.token_requests == 1


def test_use_in_a_second_open_loop_is_refused_with_advice(world: World) -> None:
    manager = world.manager()
    with closing(asyncio.new_event_loop()) as first, closing(asyncio.new_event_loop()) as second:
        first.run_until_complete(_adopt(manager, world))
        first.run_until_complete(world.expire())
        with pytest.raises(ConfigurationError, match=r"another event loop.*one for each loop or thread"):
            second.run_until_complete(manager.get_token())
        assert first.run_until_complete(manager.get_token()) is not None, "at home nothing was disturbed"


async def test_use_in_another_thread_is_refused_while_the_first_renews(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(manager.get_token())
        except ConfigurationError as error:
            errors.append(error)

    with world.fake.inject(faults.hold()) as held:
        caller = asyncio.create_task(manager.get_token())
        await held.reached.wait()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
    assert world.fake.is_live((await caller).access_token)
    assert "thread" in str(errors[0])
    assert world.fake.token_requests == 1


def test_without_a_running_loop_the_error_names_asyncio(world: World) -> None:
    caller = world.manager().get_token()
    with pytest.raises(ConfigurationError, match="asyncio event loop"):
        caller.send(None)


def test_trio_gets_a_clear_error(world: World) -> None:
    manager = world.manager()
    with pytest.raises(ConfigurationError, match="trio"):
        trio.run(manager.get_token)
    with pytest.raises(ConfigurationError, match="trio"):
        trio.run(manager.__aenter__)


def _pickled(value: Any) -> Any:  # noqa: ANN401 - any value is copied
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes


WAYS = [copy.copy, copy.deepcopy, _pickled]


@pytest.mark.parametrize("way", WAYS)
def test_a_manager_refuses_to_be_copied_or_pickled(world: World, way: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="make another one with the same store and key"):
        way(world.manager())


@pytest.mark.parametrize("way", WAYS)
def test_a_token_is_copied_with_all_its_fields(world: World, way: Callable[[Any], Any]) -> None:
    token = world.fake.sign_in()
    assert way(token) == token


@pytest.mark.parametrize("cancels", [False, True])
def test_r4_r9_a_loop_that_ends_during_a_renewal_loses_nothing(world: World, cancels: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The loop is closed with or without cancelling its tasks; the next loop repeats the renewal."""
    manager = world.manager()

    async def begin() -> None:
        await manager.adopt(world.fake.sign_in())
        await world.expire()
        held = world.fake.inject(faults.hold())
        callers.append(asyncio.create_task(manager.get_token(), name="a caller"))
        await held.reached.wait()
        world.fake.clear_faults()  # later requests are answered; this answer is lost with its loop

    callers: list[asyncio.Task[Token]] = []
    if cancels:
        asyncio.run(begin())
    else:
        _run_and_abandon(begin())
    assert world.fake.token_requests == 1, "the server has rotated"
    token = asyncio.run(_after_the_lease(manager, world))
    assert world.fake.is_live(token.access_token)
    assert world.fake.token_requests == 2
    assert EventKind.REPEATED in world.event_kinds()
    assert EventKind.LOGIN_REQUIRED not in world.event_kinds()


async def _after_the_lease(manager: TokenManager, world: World) -> Token:
    caller = asyncio.create_task(manager.get_token())
    await world.clock.advance(62)
    return await caller


def _run_and_abandon(work: Coroutine[Any, Any, None]) -> None:
    """Close the loop while its tasks run, as a program that is killed does."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore  - the complaint is right, and about this test
    finally:
        loop.close()


def test_r1_a_task_of_a_closed_loop_writes_nothing_when_it_is_garbage_collected(world: World) -> None:
    """The garbage collector ends the old renewal during the new one, which has its own claim."""
    manager = world.manager()

    async def begin() -> None:
        await manager.adopt(world.fake.sign_in())
        await world.clock.advance(3600 - 200)
        held = world.fake.inject(faults.hold())
        await manager.get_token()  # still valid, so no caller waits for the renewal
        await held.reached.wait()
        world.fake.clear_faults()
        await manager.get_token()

    async def go_on() -> None:
        await world.clock.advance(300)
        with world.fake.inject(faults.hold()) as held:
            caller = asyncio.create_task(manager.get_token())
            await held.reached.wait()
            gc.collect()
            assert left() is None
            await world.clock.advance(5)
            claim = (await world.record()).claim
            assert claim is not None
            assert not claim.lost, "else another process would spend the token that is being spent"
        await caller

    gc.disable()
    try:
        _run_and_abandon(begin())
        world.clock._timers.clear()  # a real loop keeps no timers when it is closed
        tasks = manager._tasks
        assert tasks is not None
        assert tasks.renewal is not None
        left = weakref.ref(tasks.renewal.task)
        del tasks
        asyncio.run(go_on())
    finally:
        gc.enable()


@pytest.mark.parametrize("again", [False, True])
def test_r4_closing_does_not_wait_for_tasks_of_a_closed_loop(world: World, *, again: bool) -> None:
    pool = TokenManagerPool(world.fake.client, store=world.shared_store, transport=world.transport, clock=world.clock)
    manager = pool.manager("alice")

    async def begin() -> None:
        await manager.adopt(world.fake.sign_in())
        await world.clock.advance(3600 - 200)
        held = world.fake.inject(faults.hold())
        await manager.get_token()
        await held.reached.wait()

    async def end() -> None:
        async with pool if again else nullcontext():  # used in this loop, though not for this identity
            await asyncio.wait_for(manager.idle(), 5)
            before = world.clock.boot()
            await pool.aclose()
            assert world.clock.boot() == before
        claim = (await world.record()).claim
        assert claim is not None
        assert claim.lost, "closing notes that the answer is lost, so others need not wait for the lease"

    _run_and_abandon(begin())
    asyncio.run(asyncio.wait_for(end(), 5))


@pytest.mark.parametrize("ends", ["closed", "abandoned"])
@pytest.mark.parametrize("pooled", [False, True])
def test_r2_closing_in_another_loop_saves_what_the_first_left_unsaved(world: World, *, ends: str, pooled: bool) -> None:
    store = FaultyStore(world.shared_store)
    given: dict[str, Any] = {"store": store, "transport": world.transport, "clock": world.clock}
    pool = TokenManagerPool(world.fake.client, **given)
    manager = pool.manager("alice") if pooled else world.manager(keep_fresh=True, **given)

    async def renew() -> None:
        await manager.adopt(world.fake.sign_in())
        world.transport.after_response = lambda: setattr(store, "read_only", True)
        await world.expire()
        tokens.append(await manager.get_token())

    tokens: list[Token] = []
    asyncio.run(renew()) if ends == "closed" else _run_and_abandon(renew())
    store.read_only = False
    asyncio.run(pool.aclose() if pooled else manager.aclose())
    assert asyncio.run(world.token()) == tokens[-1]


@pytest.mark.parametrize("before", ["unused", "closed"])
async def test_r1_after_a_fork_all_children_share_one_token_request(
    fake_bitbucket: FakeBitbucket, tmp_path: Path, before: str
) -> None:
    lines = await _prefork(fake_bitbucket, tmp_path, before=before)
    assert len(lines) == 4
    assert len(set(lines)) == 1, lines
    assert fake_bitbucket.token_requests == 1


async def test_a_manager_in_use_during_a_fork_is_refused_in_the_child_with_advice(
    fake_bitbucket: FakeBitbucket, tmp_path: Path
) -> None:
    lines = await _prefork(fake_bitbucket, tmp_path, before="running")
    assert len(lines) == 4
    assert all(line.startswith("ConfigurationError") and "one in each process" in line for line in lines), lines
    assert fake_bitbucket.token_requests == 0


async def _prefork(fake: FakeBitbucket, tmp_path: Path, *, before: str) -> list[str]:
    path = tmp_path / "tokens.json"
    async with serve(fake) as site:
        async with TokenManager(fake.client, key="alice", store=FileStore(path), server=site.server) as manager:
            await manager.adopt(fake.sign_in())
        record = await FileStore(path).load("alice")
        assert record is not None
        token = record.record.token
        assert token is not None
        async with TokenManager(fake.client, key="alice", store=FileStore(path), server=site.server) as manager:
            await _put(manager, expired(token))
        client = fake.client
        arguments = [str(path), site.base_url, client.client_id, str(client.client_secret), "4", before]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-m",
            "tests.support.programs.preforking_server",
            *arguments,
            cwd=ROOT,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    assert not err, err.decode()
    return out.decode().splitlines()


def test_closing_from_another_loop_is_refused_while_the_first_is_open(world: World) -> None:
    manager = world.manager()
    with asyncio.Runner() as first:
        first.run(manager.adopt(world.fake.sign_in()))
        with pytest.raises(ConfigurationError, match="close it there"):
            asyncio.run(manager.aclose())
        assert first.run(manager.get_token()).refresh_token
        first.run(manager.aclose())
        with pytest.raises(ConfigurationError, match="closed"):
            first.run(manager.get_token())
        asyncio.run(manager.aclose())  # a closed manager may be closed again in any loop


def test_a_manager_can_be_closed_after_its_loop(world: World) -> None:
    manager = world.manager()
    asyncio.run(manager.adopt(world.fake.sign_in()))
    asyncio.run(manager.aclose())
    with pytest.raises(ConfigurationError, match="closed"):
        asyncio.run(manager.get_token())


def test_an_argument_that_is_not_a_client_is_refused_with_an_example() -> None:
    with pytest.raises(ConfigurationError, match=r'client takes a Client\("key", "secret"\).*not str'):
        TokenManager("key")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "options, said",
    [
        ({"store": "redis://localhost"}, r"store takes a store, as FileStore\(.*open_store\(.*, not str"),
        ({"grant": "client_credentials"}, r"grant takes a value such as ClientCredentials\(\), not str"),
        (
            {"grant": ClientCredentials},
            r"grant takes a value such as ClientCredentials\(\), not the class ClientCredentials",
        ),
        ({"key": 7}, r"key takes a text, such as str\(user\.id\), not int"),
        ({"key": ""}, "key is empty"),
        ({"on_event": "print"}, r"on_event takes a function of an Event, not str"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        TokenManager(Client("key", "secret"), **options)


async def test_exchange_refuses_a_callback_url_with_advice(world: World) -> None:
    with pytest.raises(ConfigurationError, match=r"request\.judge\(callback_url\) returns, not str"):
        await world.manager().exchange("https://app.example/callback?code=c")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_r1_a_forked_child_has_its_own_owner_id(world: World) -> None:
    manager = world.manager()

    async def name() -> str:
        with pytest.raises(LoginRequiredError):  # so that there are tasks to go on with
            await manager.get_token()
        assert manager._tasks is not None
        await world.clock.advance(2)
        return manager._tasks._renewer._owner.id

    first = asyncio.run(name())
    assert asyncio.run(name()) == first
    assert manager._tasks is not None
    manager._tasks._pid = 0  # as in a child
    assert asyncio.run(name()) != first


async def _put(manager: TokenManager, token: Token) -> None:
    """Write a token into the store without having it renewed."""
    await manager._current_tasks().run(lambda sign_ins: sign_ins.adopt(token))
