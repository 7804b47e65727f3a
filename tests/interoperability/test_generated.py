"""A client that a generator made of an API description (bitbucket.yaml), on a token that renews itself."""

import asyncio
from http import HTTPStatus

from bitbucket_auth_async import TokenManager
from bitbucket_auth_async.bearer.httpx import BearerAuth
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve
from tests.interoperability.generated.api.users import get_user
from tests.interoperability.generated.client import Client as GeneratedClient
from tests.interoperability.generated.models.account import Account
from tests.support.clocks import ShiftedClock


async def name(client: GeneratedClient) -> object:
    answered = await get_user.asyncio_detailed(client=client)
    assert answered.status_code is HTTPStatus.OK
    assert isinstance(answered.parsed, Account)
    return answered.parsed.username


async def test_a_generated_client_survives_expiry_and_rejection_of_its_token() -> None:
    clock = ShiftedClock()
    fake = FakeBitbucket(clock)
    async with (
        serve(fake) as site,
        TokenManager(fake.client, server=site.server, clock=clock) as manager,
        GeneratedClient(base_url=f"{site.base_url}/2.0", httpx_args={"auth": BearerAuth(manager)}) as client,
    ):
        await manager.adopt(fake.sign_in())
        assert await name(client) == "ada"
        assert fake.token_requests == 0
        clock.advance(3600)
        assert await name(client) == "ada"
        assert fake.token_requests == 1
        clock.advance(1000)
        fake.expire_access_tokens()
        assert await asyncio.gather(*(name(client) for _ in range(10))) == ["ada"] * 10
        assert fake.token_requests == 2
