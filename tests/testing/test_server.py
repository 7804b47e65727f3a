"""The fake on a real port."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from yarl import URL

from bitbucket_auth_async.testing.client_settings import basic_auth
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import Site, serve, server_at

FORM = {"grant_type": "client_credentials"}


@pytest.fixture
def fake() -> FakeBitbucket:
    return FakeBitbucket()


@pytest.fixture
async def site(fake: FakeBitbucket) -> AsyncGenerator[Site]:
    async with serve(fake) as site:
        yield site


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": basic_auth()}) as http:
        yield http


def bearer(fake: FakeBitbucket) -> dict[str, str]:
    return {"Authorization": f"Bearer {fake.sign_in().access_token}"}


async def test_a_token_of_the_served_fake_is_valid_at_its_api(
    fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession
) -> None:
    async with http.post(site.server.token_endpoint, data=FORM) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        token = (await response.json())["access_token"]
    url, slugs = f"{site.base_url}/2.0/repositories/acme?pagelen=20", list[str]()
    while url:
        assert url.startswith(site.base_url)
        async with http.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.headers["X-OAuth-Scopes"] == "account, email, repository"
            page = await response.json()
            slugs += [row["slug"] for row in page["values"]]
            url = page.get("next", "")
    assert len(slugs) == 25


async def test_the_bearer_is_refused_in_the_query(fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession) -> None:
    token = fake.sign_in().access_token
    async with http.get(f"{site.base_url}/2.0/user", params={"access_token": token}) as response:
        assert response.status == 401


async def test_the_server_value_matches_the_fake(fake: FakeBitbucket) -> None:
    fake.rules.reuse_grace = 7
    async with serve(fake) as site:
        assert site.server.reuse_grace == 7
        assert site.server.api_origins == {site.base_url}
        assert fake.rest.base_url == site.base_url
    assert fake.rest.base_url == "https://api.bitbucket.org"


async def test_other_paths_and_methods_are_refused(site: Site, http: aiohttp.ClientSession) -> None:
    for method, path, status in (("GET", "/site/oauth2/access_token", 405), ("GET", "/", 404)):
        async with http.request(method, site.base_url + path) as response:
            assert response.status == status


# Faults.


@pytest.mark.parametrize("processed", [True, False])
async def test_a_reset_closes_the_connection(
    fake: FakeBitbucket,
    site: Site,
    http: aiohttp.ClientSession,
    processed: bool,  # noqa: FBT001  - a parameter of the test
) -> None:
    fake.inject(faults.reset(processed=processed))
    with pytest.raises(aiohttp.ClientOSError, match="reset"):  # a closed one would be a ServerDisconnectedError
        await http.post(site.server.token_endpoint, data=FORM)
    assert fake.log[0].processed is processed
    async with http.post(site.server.token_endpoint, data=FORM) as response:
        assert response.status == 200


async def test_a_truncated_response_breaks_while_it_is_read(
    fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession
) -> None:
    fake.inject(faults.truncated())
    async with http.post(site.server.token_endpoint, data=FORM) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_disconnect_while_the_response_is_held_still_uses_the_token(
    fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession
) -> None:
    token = fake.sign_in()
    injection = fake.inject(faults.hold())
    form = {"grant_type": "refresh_token", "refresh_token": str(token.refresh_token)}
    task = asyncio.ensure_future(http.post(site.server.token_endpoint, data=form))
    await injection.reached.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert fake.spends(str(token.refresh_token)) == 1
    assert fake.log[0].refresh is not None


async def test_a_server_with_held_responses_stops_at_once(fake: FakeBitbucket, http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(5):
        async with serve(fake) as site:
            injection = fake.inject(faults.hold())
            task = asyncio.ensure_future(http.post(site.server.token_endpoint, data=FORM))
            await injection.reached.wait()
        with pytest.raises(aiohttp.ClientConnectionError):
            await task


async def test_faults_work_at_the_api_of_a_served_fake(
    fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession
) -> None:
    headers = bearer(fake)
    fake.inject(faults.status(429, retry_after=2), at="api")
    fake.inject(faults.reset(processed=True), times=2, at="api")
    async with http.get(f"{site.base_url}/2.0/user", headers=headers) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "2")
    with pytest.raises(aiohttp.ClientConnectionError):
        # aiohttp repeats a GET once if its connection was kept open from before.
        await http.get(f"{site.base_url}/2.0/user", headers=headers)


async def test_hundreds_of_concurrent_requests_all_succeed(fake: FakeBitbucket, site: Site) -> None:
    headers = bearer(fake)

    async def ask(http: aiohttp.ClientSession) -> int:
        async with http.get(f"{site.base_url}/2.0/user", headers=headers) as response:
            await response.read()
            return response.status

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=300)) as http:
        assert await asyncio.gather(*(ask(http) for _ in range(600))) == [200] * 600


# The consent page.


class Form(HTMLParser):
    """The fields that a browser would send from the page, and the page's tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        if tag == "input" and (found.get("type") == "hidden" or "checked" in found):
            self.fields[str(found["name"])] = str(found["value"])


def authorize_url(fake: FakeBitbucket, site: Site, **more: str) -> URL:
    query = {"client_id": fake.client.client_id, "response_type": "code", "state": 's"><script>', **more}
    return URL(site.server.authorization_endpoint).with_query(query)


async def decide(http: aiohttp.ClientSession, url: URL, fields: dict[str, str]) -> dict[str, str]:
    async with http.post(url, data=fields, allow_redirects=False) as response:
        assert response.status == 302
        parts = urlsplit(response.headers["Location"])
        return dict(parse_qsl(parts.query or parts.fragment))


async def test_a_person_agrees_and_the_code_is_theirs(
    fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession
) -> None:
    fake.register_person("grace", display_name="Grace <Hopper>")
    url = authorize_url(fake, site, scope="account email")
    async with http.get(url) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        page = await response.text()
    form = Form(page)
    assert "script" not in form.tags
    assert {"style", "main", "button"} <= form.tags
    assert "Grace &lt;Hopper&gt;" in page
    assert "<code>email</code>" in page
    assert form.fields["person"] == "ada"
    back = await decide(http, url, {**form.fields, "person": "grace", "decision": "allow"})
    assert back["state"] == 's"><script>'
    exchange = {"grant_type": "authorization_code", "code": back["code"]}
    async with http.post(site.server.token_endpoint, data=exchange) as response:
        answer = await response.json()
    assert answer["scope"] == "account email"
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    async with http.get(f"{site.base_url}/2.0/user", headers=headers) as response:
        assert (await response.json())["username"] == "grace"


async def test_a_person_declines(fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession) -> None:
    url = authorize_url(fake, site)
    async with http.get(url) as response:
        fields = Form(await response.text()).fields
    assert (await decide(http, url, {**fields, "decision": "deny"}))["error"] == "access_denied"
    assert (await decide(http, url, fields))["error"] == "access_denied"  # no decision is no consent


async def test_the_query_may_hold_the_request_but_not_the_decision(
    fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession
) -> None:
    back = await decide(http, authorize_url(fake, site), {"decision": "allow"})
    assert (back["state"], bool(back["code"])) == ('s"><script>', True)
    assert (await decide(http, authorize_url(fake, site, decision="allow"), {}))["error"] == "access_denied"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_wrong_redirect_uri_shows_an_error_page(
    fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession, method: str
) -> None:
    url = authorize_url(fake, site, redirect_uri="https://evil.example/")
    data = {**url.query, "decision": "allow"} if method == "POST" else None
    async with http.request(method, url, data=data, allow_redirects=False) as response:
        assert (response.status, response.content_type) == (400, "text/html")
        assert "Invalid redirect_uri. This integration is misconfigured." in await response.text()


async def test_a_request_that_can_not_be_granted_shows_no_consent_page(
    fake: FakeBitbucket, site: Site, http: aiohttp.ClientSession
) -> None:
    async with http.get(authorize_url(fake, site, response_type="token"), allow_redirects=False) as response:
        assert response.status == 302
        assert "unsupported_response_type" in response.headers["Location"]


async def test_a_legacy_fake_has_the_implicit_grant(http: aiohttp.ClientSession) -> None:
    fake = FakeBitbucket(legacy=True)
    async with serve(fake) as site:
        url = authorize_url(fake, site, response_type="token")
        async with http.get(url) as response:
            fields = Form(await response.text()).fields
        back = await decide(http, url, {**fields, "decision": "allow"})
        assert fake.is_live(back["access_token"])


async def test_server_at_needs_only_the_base_url(site: Site) -> None:
    assert server_at(site.base_url) == site.server
    strict = FakeBitbucket(strict=True)
    assert server_at(site.base_url, strict).reuse_grace == strict.rules.reuse_grace == 0
