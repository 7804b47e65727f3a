"""LoginContract: tests of an application's sign-in routes, for people and for attackers, with any framework."""

import io
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from bitbucket_auth_async import Token
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.scripted_server import always, answer, scripted_server
from bitbucket_auth_async.testing.server import Site
from bitbucket_auth_async.testing.server import serve as serve_fake
from bitbucket_auth_async.web.cookie_cipher import CookieCipher
from tests.support.web_sign_in import CALL, FORM, KEY, PAGE, Browser, Serve, WebWorld, together, web_world

HTTPS = "https://my-app.example"
AT_PROXY = {"x-forwarded-proto": "https", "x-forwarded-host": "my-app.example"}


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


class LoginContract:
    """A subclass provides the fixture `serve`."""

    @pytest.fixture
    async def site(self, fake_bitbucket: FakeBitbucket) -> AsyncGenerator[Site]:
        async with serve_fake(fake_bitbucket) as site:
            yield site

    @pytest.fixture
    async def world(self, serve: Serve, fake_bitbucket: FakeBitbucket, site: Site) -> AsyncGenerator[WebWorld]:
        async with web_world(serve, fake_bitbucket, site) as world:
            yield world

    # Normal sign-ins.

    async def test_a_person_signs_in_and_returns_to_the_same_page(self, world: WebWorld) -> None:
        ada = world.browser()
        first = await ada.go("/me?tab=2")
        assert (first.status, first.location) == (303, "/login?return_to=%2Fme%3Ftab%3D2")
        consent = await ada.go(first.location or "")
        last = await ada.go(ada.back(world.fake.authorize(consent.location or "")))
        assert (last.status, last.location) == (303, "/me?tab=2")
        me = await ada.go("/me?tab=2")
        assert (me.status, [me.text]) == (200, list(world.pool.managers))
        account = json.loads(world.fake.api("GET", "/2.0/user", headers=await bearer(world, me.text)).body)
        assert me.text == account["account_id"]

    async def test_two_people_have_separate_managers(self, world: WebWorld) -> None:
        grace = world.fake.register_person("grace")
        browsers = [world.browser(), world.browser()]
        await together(browsers[0].sign_in(world.fake), browsers[1].sign_in(world.fake, grace))
        names = [(await browser.go("/me")).text for browser in browsers]
        assert len(set(names)) == 2

    async def test_a_second_sign_in_replaces_the_person(self, world: WebWorld) -> None:
        browser = world.browser()
        await browser.sign_in(world.fake)
        before = (await browser.go("/me")).text
        await browser.sign_in(world.fake, world.fake.register_person("grace"))
        assert (await browser.go("/me")).text != before

    async def test_the_session_cookie_is_new_at_each_sign_in(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        before = dict(ada.cookies)
        await ada.sign_in(world.fake)
        assert before.keys() == ada.cookies.keys() == {"bitbucket-session"}
        assert before != ada.cookies

    async def test_two_tabs_may_sign_in_at_the_same_time(self, world: WebWorld) -> None:
        ada = world.browser()
        first, second = await ada.begin("/me?tab=1"), await ada.begin("/me?tab=2")
        for consent, place in ((second, "/me?tab=2"), (first, "/me?tab=1")):
            assert (await ada.go(ada.back(world.fake.authorize(consent)))).location == place
        assert (await ada.go("/me")).status == 200

    async def test_unfinished_sign_ins_do_not_fill_the_browser(self, world: WebWorld) -> None:
        ada = world.browser()
        consents = [await ada.begin() for _ in range(30)]
        assert len(ada.cookies) == 8
        assert (await ada.go(ada.back(world.fake.authorize(consents[-1])))).status == 303

    async def test_sign_ins_from_long_addresses_do_not_exceed_the_cookie_limit(self, world: WebWorld) -> None:
        ada = world.browser()
        consents = [await ada.begin("/me?q=" + "x" * 1000) for _ in range(8)]
        assert sum(len(name) + len(value) for name, value in ada.cookies.items()) <= 4096
        for consent in consents[-2:]:
            assert (await ada.go(ada.back(world.fake.authorize(consent)))).status == 303

    # Requests without a session.

    async def test_a_page_with_a_very_long_address_is_redirected_to_the_login(self, world: WebWorld) -> None:
        ada = world.browser()
        assert (await ada.go("/me?q=" + "%20" * 1500)).location == "/login?return_to=%2F"

    async def test_a_script_without_a_session_gets_401_and_json(self, world: WebWorld) -> None:
        answered = await world.browser().go("/me", headers=CALL)
        assert (answered.status, json.loads(answered.text)) == (401, {"error": "login_required", "login": "/login"})

    async def test_a_form_without_a_session_is_redirected_to_the_login_and_not_repeated(self, world: WebWorld) -> None:
        answered = await world.browser().go("/me", method="POST", headers=FORM)
        assert (answered.status, answered.location) == (303, "/login?return_to=%2F")

    async def test_a_person_without_a_valid_token_is_redirected_to_the_login(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        key = (await ada.go("/me")).text
        await world.pool.manager(key).logout()
        assert (await ada.go("/me")).location == "/login?return_to=%2Fme"
        assert (await ada.go("/me", headers=CALL)).status == 401
        await ada.sign_in(world.fake)
        assert (await ada.go("/me")).status == 200

    async def test_signing_out_removes_the_token_and_the_cookie(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        key, kept = (await ada.go("/me")).text, dict(ada.cookies)
        answered = await ada.go("/logout", method="POST", headers=FORM)
        assert (answered.status, answered.location, ada.cookies) == (303, "/", {})
        ada.cookies = kept  # a copy of the cookie gives no access either
        assert (await ada.go("/me")).status == 303
        assert await stored(world, key) is None

    async def test_signing_out_twice_does_no_harm(self, world: WebWorld) -> None:
        assert (await world.browser().go("/logout", method="POST", headers=FORM)).status == 303

    @pytest.mark.parametrize(
        "headers",
        [
            {**FORM, "sec-fetch-site": "cross-site"},
            {**FORM, "sec-fetch-site": "same-site"},
            {"accept": "text/html", "origin": "https://evil.example"},
            {"accept": "text/html", "origin": "null"},
            {"accept": "text/html"},
        ],
    )
    async def test_another_site_can_not_sign_a_person_out(self, world: WebWorld, headers: dict[str, str]) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        assert (await ada.go("/logout", method="POST", headers=headers)).status == 403
        assert (await ada.go("/logout")).status == 405
        assert (await ada.go("/me")).status == 200

    # Forged and repeated callbacks.

    async def test_a_callback_in_another_browser_is_refused(self, world: WebWorld) -> None:
        ada, mallory = world.browser(), world.browser()
        callback = ada.back(world.fake.authorize(await ada.begin()))
        await mallory.begin()
        page = await mallory.go(callback)
        assert page.status == 400
        assert "bitbucket-session" not in mallory.cookies
        assert world.fake.token_requests == 0
        assert 'href="/login?return_to=%2F"' in page.text

    async def test_a_callback_with_the_cookie_of_another_sign_in_is_refused(self, world: WebWorld) -> None:
        ada, mallory = world.browser(), world.browser()
        theirs = ada.back(world.fake.authorize(await ada.begin()))
        await mallory.begin()
        (own,) = mallory.cookies.values()
        mallory.cookies = dict.fromkeys(ada.cookies, own)
        assert (await mallory.go(theirs)).status == 400
        assert world.fake.token_requests == 0

    @pytest.mark.parametrize("query", ["code=c", "code=c&state=", "code=c&state=wrong", "state=a&state=b&code=c", ""])
    async def test_a_callback_with_another_state_is_refused(self, world: WebWorld, query: str) -> None:
        ada = world.browser()
        await ada.begin()
        assert (await ada.go(f"/callback?{query}")).status == 400
        assert world.fake.token_requests == 0

    async def test_a_callback_with_two_states_is_refused(self, world: WebWorld) -> None:
        ada = world.browser()
        state = state_of(await ada.begin())
        assert (await ada.go(f"/callback?code=c&state={state}&state={state}")).status == 400

    async def test_a_repeated_callback_is_refused_and_the_person_stays_signed_in(self, world: WebWorld) -> None:
        ada = world.browser()
        callback = ada.back(world.fake.authorize(await ada.begin()))
        assert (await ada.go(callback)).status == 303
        assert (await ada.go(callback)).status == 400  # the back button
        assert world.fake.token_requests == 1
        assert (await ada.go("/me")).status == 200

    async def test_a_repeated_callback_with_its_cookie_is_refused(self, world: WebWorld) -> None:
        ada, thief = world.browser(), world.browser()
        callback = ada.back(world.fake.authorize(await ada.begin()))
        thief.cookies = dict(ada.cookies)
        await together(ada.go(callback), thief.go(callback), ada.go(callback))
        assert world.fake.token_requests == 1

    async def test_a_code_of_another_sign_in_is_refused(self, world: WebWorld) -> None:
        ada, mallory = world.browser(), world.browser()
        stolen = parse_qs(urlsplit(world.fake.authorize(await ada.begin())).query)["code"][0]
        state = state_of(await mallory.begin())
        page = await mallory.go(f"/callback?{urlencode({'code': stolen, 'state': state})}")
        assert (page.status, "Sign in again" in page.text) == (400, True)  # PKCE: the verifier belongs to another code
        assert "bitbucket-session" not in mallory.cookies
        assert world.pool.managers == {}

    async def test_a_person_who_declines_sees_a_page(self, world: WebWorld) -> None:
        ada = world.browser()
        page = await ada.go(ada.back(world.fake.authorize(await ada.begin("/me"), consent=False)))
        assert (page.status, ada.cookies) == (403, {})
        assert "Access was not granted" in page.text
        assert 'href="/login?return_to=%2Fme"' in page.text

    @pytest.mark.parametrize("error, status", [("invalid_scope", 400), ("server_error", 503)])
    async def test_another_error_of_the_server_is_shown_without_its_html(
        self, world: WebWorld, error: str, status: int
    ) -> None:
        ada = world.browser()
        told = {"error": error, "error_description": "<script>alert(1)</script>", "state": state_of(await ada.begin())}
        page = await ada.go(f"/callback?{urlencode(told)}")
        assert (page.status, "<script" in page.text) == (status, False)

    async def test_the_text_of_an_error_with_a_wrong_state_is_not_shown(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.begin()
        page = await ada.go("/callback?error=access_denied&error_description=Call+0900&state=wrong")
        assert (page.status, "0900" in page.text) == (400, False)

    async def test_a_head_request_does_not_use_a_callback_up(self, world: WebWorld) -> None:
        ada = world.browser()
        callback = ada.back(world.fake.authorize(await ada.begin()))
        assert (await ada.go(callback, method="HEAD")).status == 405
        assert (await ada.go(callback)).status == 303

    async def test_an_outage_of_the_token_endpoint_gives_503(self, world: WebWorld) -> None:
        ada = world.browser()
        with world.fake.inject(faults.status(503)):
            page = await ada.go(ada.back(world.fake.authorize(await ada.begin())))
        assert page.status == 503
        await ada.sign_in(world.fake)

    # Cookies and pages.

    async def test_cookies_are_secure_http_only_and_for_this_host_only(
        self, serve: Serve, fake_bitbucket: FakeBitbucket, site: Site
    ) -> None:
        async with web_world(serve, fake_bitbucket, site, origin=HTTPS, trusted_proxies=["127.0.0.1"]) as world:
            ada = world.browser(**AT_PROXY)
            await ada.sign_in(fake_bitbucket)
            assert (await ada.go("/me")).status == 200
            headers = [text for page in ada.pages for text in page.set_cookies]
            assert len(headers) == 3
            for text in headers:
                assert text.startswith("__Host-bitbucket-")
                assert {"Path=/", "HttpOnly", "Secure", "SameSite=Lax"} <= set(text.split("; "))
                assert "Domain" not in text

    @pytest.mark.parametrize("place", ["/me", "/callback", "/login"])
    async def test_no_secret_is_in_a_cookie_a_page_a_header_or_a_log(
        self, world: WebWorld, place: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        ada = world.browser()
        consent = await ada.begin(place)
        callback = world.fake.authorize(consent)
        code, (sealed,) = parse_qs(urlsplit(callback).query)["code"][0], ada.cookies.values()
        last = await ada.go(ada.back(callback))
        await ada.go(last.location or "")
        await ada.go("/resource?url=/2.0/user", headers=CALL)
        manager = next(iter(world.pool.managers.values()))
        token = await manager.get_token()
        secrets = [code, token.access_token, token.refresh_token or "", world.client.client_secret or ""]
        opened = CookieCipher([KEY]).decrypt(next(iter(last_cookie_names(ada))), sealed, now=0.0)
        assert opened is not None
        secrets.append(opened["verifier"])
        secrets.append(opened["state"])
        seen = [f"{page.headers} {page.text} {page.set_cookies}" for page in ada.pages[1:]]
        for secret in secrets:
            assert not [text for text in seen if secret in text]
            assert secret not in "".join(ada.cookies.values())
            assert secret not in caplog.text

    async def test_pages_send_no_referer_and_are_neither_cached_nor_framed(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        await ada.go("/callback?code=c&state=s")
        for page in ada.pages[:3]:
            assert page.headers["referrer-policy"] == "no-referrer"
            assert page.headers["cache-control"] == "no-store"
        policy = ada.pages[-1].headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy

    async def test_a_changed_cookie_gives_no_access(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        (value,) = ada.cookies.values()
        last = "AAAA" if value[-4:] != "AAAA" else "BBBB"
        for changed in (value[:-4] + last, value[:20], "", "not sealed", value * 20):
            ada.cookies = {"bitbucket-session": changed}
            assert (await ada.go("/me", headers=CALL)).status == 401

    async def test_a_session_of_another_server_is_not_accepted(
        self, world: WebWorld, serve: Serve, fake_bitbucket: FakeBitbucket
    ) -> None:
        """Both sites have the same keys, and both servers have a person of the same name."""
        ada, mallory = world.browser(), world.browser()
        await ada.sign_in(world.fake)
        victim = (await ada.go("/me")).text

        async def identify(_token: Token) -> str:
            return victim

        other = FakeBitbucket()
        async with serve_fake(other) as site, web_world(serve, other, site, identify=identify) as elsewhere:
            there = elsewhere.browser()
            await there.sign_in(other)
            assert (await there.go("/me")).text == victim
        mallory.cookies = dict(there.cookies)
        assert (await mallory.go("/me", headers=CALL)).status == 401

    async def test_a_flow_cookie_is_no_session_cookie_and_the_reverse(self, world: WebWorld) -> None:
        ada = world.browser()
        consent = await ada.begin()
        (flow,) = ada.cookies
        ada.cookies["bitbucket-session"] = ada.cookies[flow]
        assert (await ada.go("/me", headers=CALL)).status == 401
        await ada.sign_in(world.fake)
        ada.cookies[flow] = ada.cookies["bitbucket-session"]
        assert (await ada.go(ada.back(world.fake.authorize(consent)))).status == 400

    @pytest.mark.parametrize(
        "return_to",
        ["//evil.example", r"/\evil.example", "https://evil.example", "/%2f/evil.example", "/\t/evil.example", "me"],
    )
    async def test_a_sign_in_returns_only_to_this_site(self, world: WebWorld, return_to: str) -> None:
        assert (await world.browser().sign_in(world.fake, return_to=return_to)).location == "/"

    # Behind a reverse proxy.

    async def test_headers_of_an_untrusted_proxy_are_ignored(
        self, serve: Serve, fake_bitbucket: FakeBitbucket, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        for trusted in ([], ["10.0.0.0/8"]):
            async with web_world(serve, fake_bitbucket, site, origin=HTTPS, trusted_proxies=trusted) as world:
                page = await world.browser(**AT_PROXY).go("/login")
                assert (page.status, page.set_cookies) == (421, [])
                assert "trusted_proxies" in caplog.text
                assert f'href="{HTTPS}/login"' in page.text

    async def test_a_sign_in_can_not_begin_under_a_forged_host(self, world: WebWorld) -> None:
        for header in ({"host": "evil.example"}, AT_PROXY, {"forwarded": "host=evil.example"}):
            browser = world.browser(**header)
            page = await browser.go("/login")
            if page.status == 303:  # an ignored header changes nothing
                assert "evil.example" not in (page.location or "")
                assert quote("127.0.0.1", safe="") in (page.location or "")
            else:
                assert page.status == 421

    # The API proxy.

    async def test_a_page_s_script_reads_the_api_without_a_token(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        answered = await ada.go("/resource", params={"url": "/2.0/repositories/acme?pagelen=2"}, headers=CALL)
        page = json.loads(answered.text)
        assert (answered.status, len(page["values"])) == (200, 2)
        more = await ada.go("/resource", params={"url": page["next"]}, headers=CALL)
        assert json.loads(more.text)["page"] == 2
        assert more.headers["x-content-type-options"] == "nosniff"

    async def test_the_api_proxy_renews_a_rejected_token(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        (manager,) = world.pool.managers.values()
        await manager.get_token(rejected=await manager.get_token())
        assert (await ada.go("/resource?url=/2.0/user", headers=CALL)).status == 200

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/2.0/user",
            "//evil.example/2.0/user",
            r"/\evil.example/2.0/user",
            "http://127.0.0.1:1/2.0/user",
            "/site/oauth2/access_token",
            "/2.0/../site/oauth2/access_token",
            "/2.0/%2e%2e/site/oauth2/access_token",
            "/2.0/.%2E/site/oauth2/access_token",
            "file:///etc/passwd",
            "",
        ],
    )
    async def test_the_token_is_sent_only_to_the_api(self, world: WebWorld, url: str) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        assert (await ada.go("/resource", params={"url": url}, headers=CALL)).status == 400

    async def test_the_api_proxy_refuses_other_sites_and_other_methods(self, world: WebWorld) -> None:
        ada = world.browser()
        await ada.sign_in(world.fake)
        foreign = {**CALL, "sec-fetch-site": "cross-site"}
        assert (await ada.go("/resource?url=/2.0/user", headers=foreign)).status == 403
        refused = await ada.go("/resource?url=/2.0/user", method="POST", headers=CALL)
        assert (refused.status, json.loads(refused.text)) == (405, {"error": "method_not_allowed"})

    async def test_with_writes_only_pages_of_this_site_may_write(
        self, serve: Serve, fake_bitbucket: FakeBitbucket, site: Site
    ) -> None:
        async with web_world(serve, fake_bitbucket, site, writes=True) as world:
            ada = world.browser()
            await ada.sign_in(fake_bitbucket)
            write: dict[str, Any] = {"method": "POST", "json": {"name": "x"}}
            ours = await ada.go("/resource?url=/2.0/repositories/acme/new", headers=CALL, **write)
            assert (ours.status, "Method not allowed" in ours.text) == (405, True)  # the API's own response
            no_site = {"accept": "application/json"}
            assert (await ada.go("/resource?url=/2.0/user", headers=no_site, **write)).status == 403

    async def test_a_body_that_is_too_long_is_refused(self, world: WebWorld) -> None:
        found = await world.browser().go(
            "/resource?url=/2.0/user", method="POST", headers=CALL, data=io.BytesIO(b"x" * 2**21)
        )
        assert found.status == 413

    async def test_a_long_body_arrives_whole(self, serve: Serve, fake_bitbucket: FakeBitbucket, site: Site) -> None:
        api_answer = answer(200, b'{"account_id": "ada"}', {"Content-Type": "application/json"})
        async with scripted_server(always(api_answer)) as api:
            server = replace(site.server, api_origins=frozenset({api.origin}))
            async with web_world(serve, fake_bitbucket, site, server=server, writes=True) as world:
                ada = world.browser()
                await ada.sign_in(fake_bitbucket)
                body = bytes(range(256)) * 4000
                await ada.go("/resource?url=/2.0/x", method="POST", headers=CALL, data=io.BytesIO(body))
            assert api.received[-1].body == body

    async def test_without_a_session_the_api_proxy_returns_nothing(self, world: WebWorld) -> None:
        assert (await world.browser().go("/resource?url=/2.0/user", headers=CALL)).status == 401
        assert (await world.browser().go("/resource?url=/2.0/user", headers=PAGE)).status == 303


def last_cookie_names(browser: Browser) -> list[str]:
    """Return the names of the cookies that the first page set."""
    return [text.partition("=")[0] for text in browser.pages[0].set_cookies]


async def bearer(world: WebWorld, key: str) -> dict[str, str]:
    token = await world.pool.manager(key).get_token()
    return {"Authorization": f"Bearer {token.access_token}"}


async def stored(world: WebWorld, key: str) -> Token | None:
    found = await world.pool.manager(key)._shared.store.load(key)
    return None if found is None else found.record.token
