"""atlassian-python-api with a token that is renewed, as in docs/examples/full_sdk.py."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import requests

from bitbucket_auth_async import ClientCredentials, TokenManager
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.scripted_server import always, answer, redirects, refuses, scripted_server
from bitbucket_auth_async.testing.server import Site, serve
from docs.examples.full_sdk import RequestsBearer, cloud
from tests.support.clocks import ShiftedClock


class Shop(NamedTuple):
    clock: ShiftedClock
    fake: FakeBitbucket
    site: Site
    manager: TokenManager


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    clock = ShiftedClock()
    fake = FakeBitbucket(clock)
    async with (
        serve(fake) as site,
        TokenManager(fake.client, grant=ClientCredentials(), server=site.server, clock=clock) as manager,
    ):
        yield Shop(clock, fake, site, manager)


async def test_the_sdk_survives_the_expiry_of_its_token(shop: Shop) -> None:
    sdk = cloud(shop.manager, shop.site.base_url)

    def names() -> list[str]:
        return [sdk.repositories.get("acme", f"acme-{number}").name for number in (1, 2)]

    assert await asyncio.to_thread(names) == ["acme-1", "acme-2"]
    shop.clock.advance(3600)
    assert await asyncio.to_thread(names) == ["acme-1", "acme-2"]
    assert shop.fake.token_requests == 2


async def test_a_rejected_token_causes_one_renewal_and_no_error(shop: Shop) -> None:
    sdk = cloud(shop.manager, shop.site.base_url)
    await asyncio.to_thread(sdk.repositories.get, "acme", "acme-1")
    shop.clock.advance(1000)
    shop.fake.expire_access_tokens()
    found = await asyncio.gather(*(asyncio.to_thread(sdk.repositories.get, "acme", "acme-1") for _ in range(4)))
    assert [repository.slug for repository in found] == ["acme-1"] * 4
    assert shop.fake.token_requests == 2


async def sent(bearer: RequestsBearer, method: str, url: str, **options: Any) -> requests.Response:  # noqa: ANN401 - requests' own
    with requests.Session() as session:
        session.auth = bearer
        return await asyncio.to_thread(session.request, method, url, **options)


def home(source: CountingSource, origin: str) -> RequestsBearer:
    bearer = RequestsBearer(source)
    host, _, port = origin.removeprefix("http://").partition(":")
    bearer._allowed = frozenset({("http", host, int(port))})
    return bearer


async def test_r12_another_host_gets_no_token() -> None:
    async with scripted_server(always(answer())) as foreign:
        await sent(RequestsBearer(CountingSource()), "GET", foreign.origin)
    assert foreign.authorizations() == [None]


async def test_r12_after_a_redirect_to_another_host_no_token_is_sent_even_for_a_401() -> None:
    source = CountingSource()
    async with scripted_server(always(answer(401))) as foreign:
        async with scripted_server(redirects(foreign.origin.replace("127.0.0.1", "localhost"), 302)) as api:
            response = await sent(home(source, api.origin), "GET", api.origin)
        assert response.status_code == 401
        assert api.authorizations() == ["Bearer token-1"]
        assert foreign.authorizations() == [None]
    assert source.rejections == []


async def test_r10_a_refused_request_is_repeated_with_its_body_and_the_next_token() -> None:
    async with scripted_server(refuses("token-1")) as api:
        response = await sent(home(CountingSource(), api.origin), "POST", api.origin, data=b"body")
    assert (response.status_code, response.content) == (200, b"body")
    assert api.authorizations() == ["Bearer token-1", "Bearer token-2"]


async def test_r10_a_body_that_can_be_read_once_is_not_repeated() -> None:
    async with scripted_server(refuses("token-1")) as api:
        response = await sent(home(CountingSource(), api.origin), "POST", api.origin, data=iter([b"body"]))
    assert response.status_code == 401
    assert api.authorizations() == ["Bearer token-1"]
