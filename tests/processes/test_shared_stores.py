"""The promises across real processes on each shared store, on a real server where it has one.

`SOAK=1` makes the fleet of the first test larger: 16 processes with 100 callers each, over 20 expiries.
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.server import serve
from tests.crew import Crew
from tests.servers import RedisServer, postgres_server, redis_server

PROCESSES, CALLERS, EXPIRIES = (16, 100, 20) if os.environ.get("SOAK") else (4, 25, 5)
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
ROOT = Path(__file__).parents[2]


@contextmanager
def address(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """Give the address of a store of this kind, and what processes need in order to use it."""
    if kind == "sqlite":
        yield (folder / "tokens.db").as_uri().replace("file:", "sqlite:")
    elif kind == "keyring":
        (folder / "ring").mkdir()
        monkeypatch.setenv("RING_FOLDER", str(folder / "ring"))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.rings.FolderRing")
        monkeypatch.setenv("XDG_DATA_HOME", str(folder))
        yield "keyring://tests"
    elif kind == "postgres":
        with postgres_server() as server:
            yield server.dsn
    else:
        with redis_server(kind, "--save", "") as server:
            yield server.url


@pytest.fixture(params=["valkey", "postgres", "sqlite", "keyring"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with address(request.param, tmp_path, monkeypatch) as url:
        yield url


@pytest.fixture
async def crew(request: pytest.FixtureRequest, url: str) -> AsyncGenerator[Crew]:
    if url.startswith("postgresql"):
        async with PostgresStore(url) as store:
            await store.create_schema()
    crew = Crew(url, strict=getattr(request, "param", False))
    async with serve(crew.fake) as site:
        crew.site = site
        yield crew
        await crew.stop()


@pytest.mark.timeout(900 if os.environ.get("SOAK") else 120)
@pytest.mark.parametrize("crew", [True], indirect=True, ids=["strict"])
async def test_r1_a_fleet_spends_each_generation_once_and_no_caller_fails(crew: Crew) -> None:
    await crew.sign_in()
    workers = await asyncio.gather(*(crew.start() for _ in range(PROCESSES)))
    for _ in range(EXPIRIES):
        ahead = crew.expire()
        used = await asyncio.gather(*(worker.call(CALLERS, ahead=ahead) for worker in workers))
        assert len({token for tokens in used for token in tokens}) == 1
    assert crew.fake.token_requests == EXPIRIES
    assert crew.fake.second_spends == []


async def test_r9_a_process_killed_between_receiving_and_saving_is_repaired_by_the_next(crew: Crew) -> None:
    await crew.sign_in()
    victim, survivor = await asyncio.gather(crew.start(), crew.start())
    ahead = crew.expire()
    victim.order(callers=10, ahead=ahead, fate="SIGKILL")
    await victim.process.wait()
    assert victim.process.returncode == -signal.SIGKILL
    await survivor.call(10, ahead=ahead)
    assert len(crew.fake.second_spends) == 1
    assert (await crew.record()).claim is None


async def test_r3_a_process_stopped_for_longer_than_its_lease_adds_its_late_token_as_a_spare(crew: Crew) -> None:
    await crew.sign_in()
    late, other = await asyncio.gather(crew.start(lease=2.0), crew.start(lease=2.0))
    ahead = crew.expire()
    late.order(callers=1, ahead=ahead, fate="SIGSTOP")
    await late.is_stopped()
    newer = await other.call(1, ahead=ahead)
    late.process.send_signal(signal.SIGCONT)
    await late.hears("event", "kept_as_spare")
    record = await crew.record()
    assert record.token is not None
    assert [fingerprint(record.token.access_token)] == newer
    assert len(record.spares) == 1
    # The server turns against the newer one: the spare saves the sign-in.
    crew.fake.kill_refresh_token(record.token.refresh_token or "")
    await other.call(1, ahead=crew.expire())
    assert (await crew.record()).spares == ()


async def test_r9_processes_killed_at_random_cost_nobody_a_sign_in(crew: Crew) -> None:
    await crew.sign_in()
    chance = random.Random(20_260_504)  # noqa: S311 - which test this is, no secret
    survivor = await crew.start()
    killed = 0
    for _ in range(2):
        victims = await asyncio.gather(crew.start(), crew.start())
        ahead = crew.expire()
        with crew.fake.inject(faults.latency(0.05), times=None):
            for victim in victims:
                victim.order(callers=10, ahead=ahead)
            await asyncio.sleep(chance.uniform(0.0, 0.1))
            for victim in victims:
                await victim.kill()
                killed += 1
            assert len(await survivor.call(10, ahead=ahead)) == 1
    assert killed == 4
    # Each second spend repeats one whose process was killed with the answer in its hands.
    assert len(crew.fake.second_spends) <= killed
    assert (await crew.record()).claim is None


@pytest.fixture
def durable() -> Iterator[RedisServer]:
    with redis_server("valkey", *DURABLE) as server:
        yield server


async def test_r2_a_redis_that_is_killed_while_a_token_is_on_its_way_has_it_once_it_is_back(
    durable: RedisServer,
) -> None:
    crew = Crew(durable.url, strict=True)
    async with serve(crew.fake) as crew.site:
        await crew.sign_in()
        worker = await crew.start()
        ahead = crew.expire()
        with crew.fake.inject(faults.hold()) as held:
            worker.order(callers=10, ahead=ahead)
            await held.reached.wait()  # the claim is written
            durable.kill()
        said = await worker.hears("problems")
        assert said["problems"] == []
        [used] = said["tokens"]
        durable.start()
        await worker.hears("event", "saved_late")
        record = await crew.record()
        assert record.token is not None
        assert fingerprint(record.token.access_token) == used
        assert crew.fake.second_spends == []
        await crew.stop()
