"""SharedResources: one token request, its time limit and its errors."""

import asyncio

import pytest

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import TransportError
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.protocols import Transport
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock


class Slow:
    """Ignores its timeout and answers after a fixed time."""

    def __init__(self, fake: FakeBitbucket, clock: FakeClock, seconds: float) -> None:
        self.fake, self.clock, self.seconds = fake, clock, seconds

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        response = self.fake.token(request)
        await self.clock.sleep(self.seconds)
        return response

    async def aclose(self) -> None: ...


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def resources(fake: FakeBitbucket, clock: FakeClock, transport: Transport) -> SharedResources:
    return SharedResources(
        client=fake.client,
        grant=ClientCredentials(),
        server=BITBUCKET_CLOUD,
        store=MemoryStore(),
        transport=transport,
        clock=clock,
        timing=Timing(),
        on_event=None,
    )


async def test_r5_a_token_ages_from_its_request(clock: FakeClock) -> None:
    fake = FakeBitbucket(clock)
    asked = clock.wall()
    task = asyncio.create_task(resources(fake, clock, Slow(fake, clock, 20)).request(ClientCredentials(), key="alice"))
    await clock.advance(20)
    token = await task
    assert token.issued_at == asked
    assert token.expires_at == asked + 3600


async def test_r7_a_transport_that_ignores_its_timeout_is_cancelled(clock: FakeClock) -> None:
    fake = FakeBitbucket(clock)
    task = asyncio.create_task(
        resources(fake, clock, Slow(fake, clock, 1000)).request(ClientCredentials(), key="alice")
    )
    await clock.advance(29.9)
    assert not task.done()
    await clock.advance(0.1)
    with pytest.raises(TransportError, match=r"did not answer within 30 s") as caught:
        await task
    assert caught.value.sent


async def test_r7_a_transport_that_times_out_itself_reports_whether_it_sent_the_request(clock: FakeClock) -> None:
    """As in a name lookup: nothing was spent, so nothing has to be repeated."""

    class Nameless(Slow):
        async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
            await clock.sleep(timeout)
            msg = "No server knows this name."
            raise TransportError(msg, sent=False)

    fake = FakeBitbucket(clock)
    task = asyncio.create_task(
        resources(fake, clock, Nameless(fake, clock, 0)).request(ClientCredentials(), key="alice")
    )
    await clock.advance(30)
    with pytest.raises(TransportError, match="this name") as caught:
        await task
    assert not caught.value.sent
