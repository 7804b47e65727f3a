"""The browser client in Chromium: the implicit grant to its end, its parts one by one, and its form as a module."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import listening
from bitbucket_auth_async.web.safe_return_path import safe_return_path
from bitbucket_auth_async.web.static_files import STATIC
from docs.examples.offline import browser_only
from tests.browser.conftest import WIDTHS, Open, judged
from tests.support.ports import free_port

PARTS = Path(__file__).with_name("parts.js").read_text(encoding="utf-8")
PAGE = '<!doctype html><html lang="en"><title>t</title><button data-authorize>in</button>'
CLIENT = "client: { client_id: 'key', redirect_uri: location.origin + '/', scope: 'account' }"


class App:
    def __init__(self, url: str, fake: FakeBitbucket) -> None:
        self.url, self.fake = url, fake


@pytest.fixture
async def app() -> AsyncGenerator[App]:
    port = free_port()
    async with browser_only(port) as fake:
        yield App(f"http://localhost:{port}/", fake)


@pytest.fixture
async def blank() -> AsyncGenerator[str]:
    """A page under a strict policy with the client, and a module that imports it; two routes that answer JSON."""
    policy = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'"}

    async def page(_request: web.Request) -> web.Response:
        text = f'{PAGE}<script src="/client/bitbucket-auth.js"></script>'
        return web.Response(text=text, content_type="text/html", headers=policy)

    async def module_page(_request: web.Request) -> web.Response:
        text = f'{PAGE}<script type="module" src="/module.js"></script>'
        return web.Response(text=text, content_type="text/html", headers=policy)

    async def module(_request: web.Request) -> web.Response:
        text = "import * as m from '/client/bitbucket-auth.mjs'; document.title = Object.keys(m).sort().join(' ');"
        return web.Response(text=text, content_type="text/javascript")

    async def resource(request: web.Request) -> web.Response:
        status = int(request.query["url"].removeprefix("/"))
        return web.json_response({"error": {"message": "told"}, "method": request.method}, status=status)

    site = web.Application()
    site.router.add_get("/", page)
    site.router.add_get("/module", module_page)
    site.router.add_get("/module.js", module)
    site.router.add_route("*", "/resource", resource)
    site.router.add_static("/client", STATIC)
    async with listening(site) as port:
        yield f"http://127.0.0.1:{port}/"


async def decide(page: Page, decision: str = "Grant access") -> None:
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name=decision).click()


async def test_the_implicit_grant_works_and_leaves_no_token_behind(app: App, tab: Open) -> None:
    async with tab() as ada:
        page, status = ada.page, ada.page.get_by_role("status")
        await page.goto(app.url)
        await decide(page)
        await expect(status).to_contain_text("Signed in.")
        assert page.url == app.url  # no token in the address
        await page.get_by_role("button", name="Who am I?").click()
        await expect(status).to_have_text("You are Ada.")
        kept = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, document.cookie])"
        (token,) = app.fake._issued.access
        assert await page.evaluate(kept) == '[{},{},null,""]'
        assert token not in await page.content()
        for request in ada.requests:
            headers = await request.all_headers()
            assert token not in headers.get("referer", "")
            assert ("authorization" in headers) == ("/2.0/user" in request.url and request.method == "GET")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("button", name="Who am I?").click()
        await expect(status).to_contain_text("no valid token")


@pytest.mark.parametrize("theme, width", [("light", "wide"), ("dark", "narrow")])
async def test_the_page_is_accessible(app: App, tab: Open, theme: str, width: str) -> None:
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    async with tab(viewport=size, color_scheme=theme) as ada:
        await ada.page.goto(app.url)
        await judged(ada, f"browser-only-{theme}-{width}")


async def test_a_person_declines_the_implicit_grant(app: App, tab: Open) -> None:
    async with tab() as ada:
        await ada.page.goto(app.url)
        await decide(ada.page, "Cancel")
        await expect(ada.page.get_by_role("status")).to_have_text("You said no.")


@pytest.mark.parametrize(
    "fragment",
    ["access_token=evil&token_type=bearer&state=wrong", "access_token=evil&token_type=bearer", "error=x&state=y"],
)
async def test_an_unsolicited_callback_is_refused(app: App, tab: Open, fragment: str) -> None:
    async with tab() as ada:
        page = ada.page
        await page.goto(f"{app.url}#{fragment}")
        await expect(page.get_by_role("status")).to_contain_text("does not match our request")
        assert page.url == app.url
        await page.get_by_role("button", name="Who am I?").click()
        await expect(page.get_by_role("status")).to_contain_text("no valid token")


async def test_a_callback_is_valid_once(app: App, tab: Open) -> None:
    async with tab() as ada:
        page = ada.page
        await page.goto(app.url)
        await page.evaluate(
            "sessionStorage.setItem('bitbucket-auth-state', JSON.stringify({state: 's', since: Date.now()}))"
        )
        for told in ("Signed in.", "does not match our request"):
            await page.goto("about:blank")
            await page.goto(f"{app.url}#access_token=t&token_type=bearer&state=s")
            await expect(page.get_by_role("status")).to_contain_text(told)


@pytest.mark.parametrize(
    "state, answer",
    [
        ("{state: 's', since: Date.now() - 600001}", "access_token=t&state=s"),
        ("{state: 's', since: Date.now()}", "access_token=t&state=s&state=s"),
        ("{state: '', since: Date.now()}", "access_token=t&state="),
        ("{state: 's', since: Date.now()}", "access_token=t&state=other"),
        ("null", "access_token=t&state=s"),
    ],
)
async def test_a_state_that_is_wrong_expired_repeated_or_empty_is_refused(
    blank: str, tab: Open, state: str, answer: str
) -> None:
    async with tab() as ada:
        await ada.page.goto(blank)
        told = await ada.page.evaluate(
            f"""async () => {{
              sessionStorage.setItem("bitbucket-auth-state", JSON.stringify({state}));
              history.replaceState(null, "", "/#{answer}");
              let mismatch = null;
              const client = new bitbucketAuth.BitbucketClient(
                {{ {CLIENT}, onStateMismatch: (error) => {{ mismatch = error.code; }} }});
              return [await client.processCallback(), mismatch, location.hash];
            }}"""
        )
        assert told == [False, "state_mismatch", ""]


@pytest.mark.parametrize(
    "options, told",
    [
        ("{}", "either client"),
        ("{ backend: true, client: {} }", "either client"),
        ("{ client: {} }", "client.client_id"),
        ("{ client: { client_id: ' ', redirect_uri: 'https://a.example/' } }", "client.client_id"),
        ("{ client: { client_id: 'key' } }", "client.redirect_uri"),
        ("{ client: { client_id: 'key', redirect_uri: 'http://a.example/' } }", "https"),
        ("{ client: { client_id: 'key', redirect_uri: 'https://a.example/#x' } }", "fragment"),
        ("{ client: { client_id: 'key', redirect_uri: 'https://a.example/', scope: 'a,b' } }", "scope"),
        ("{ backend: { resource: 'https://evil.example/' } }", "backend.resource"),
        ("{ backend: { login: '//evil.example' } }", "backend.login"),
        (
            "{ client: { client_id: 'k', redirect_uri: 'https://a.example' }, apiOrigin: 'http://b.example' }",
            "apiOrigin",
        ),
    ],
)
async def test_invalid_options_are_refused_at_once(blank: str, tab: Open, options: str, told: str) -> None:
    async with tab() as ada:
        await ada.page.goto(blank)
        script = f"""
          try {{ new bitbucketAuth.BitbucketClient({options}) }}
          catch (error) {{ `${{error.code}} ${{error.message}}` }}
        """
        answer: str = await ada.page.evaluate(script)
        assert answer.startswith("configuration ")
        assert told in answer


async def test_each_part_of_the_client_works(blank: str, tab: Open) -> None:
    async with tab() as ada:
        page = ada.page
        await page.goto(blank)
        found: dict[str, Any] = await page.evaluate(PARTS)
        asked = found.pop("asked")
        assert found == {
            "states": 1000,
            "letters": 64,
            "length": 7,
            "before": "login_required",
            "token": "t",
            "late": "login_required",
            "broken": {},
            "same": True,
            "failed": "configuration",
            "own": "k",
            "kept": 1,
            "inLocalStorage": 32,
        }
        assert asked.startswith("https://bitbucket.org/site/oauth2/authorize?response_type=token&client_id=key")
        assert "redirect_uri=https%3A%2F%2Fa.example%2Fcb" in asked
        assert "scope=a+b" in asked


@pytest.mark.parametrize(
    "status, told",
    [(200, ["onSuccess", "GET"]), (401, ["onFailure", "login_required"]), (403, ["onFailure", "refused"])],
)
async def test_with_a_backend_a_page_reads_through_the_sites_routes(
    blank: str, tab: Open, status: int, told: list[str]
) -> None:
    async with tab() as ada:
        await ada.page.goto(blank)
        answer = await ada.page.evaluate(
            f"""async () => {{
              let told = [];
              const client = bitbucketAuth.createBitbucketClient({{ backend: true,
                onSuccess: (data) => {{ told = ["onSuccess", data.method]; }},
                onFailure: (error) => {{ told = ["onFailure", error.code]; }} }});
              await client.ready;
              await client.fetchResource({{ resourceUrl: "/{status}" }});
              return told;
            }}"""
        )
        assert answer == told


async def test_with_a_backend_there_is_no_token(blank: str, tab: Open) -> None:
    async with tab() as ada:
        await ada.page.goto(blank)
        code = "bitbucketAuth.getAccessToken({ backend: true }).catch((error) => error.code)"
        assert await ada.page.evaluate(code) == "configuration"
        await ada.page.evaluate("bitbucketAuth.createBitbucketClient({ backend: true }); 0")
        await ada.page.get_by_role("button", name="in").click()
        await ada.page.wait_for_url("**/login?return_to=%2F")


async def test_it_is_also_a_module(blank: str, tab: Open) -> None:
    async with tab() as ada:
        await ada.page.goto(f"{blank}module")
        names = ["BitBucketClient", "BitbucketAuthError", "BitbucketClient", "LocalStorage"]
        names += ["createBitbucketClient", "createLocalStorage", "getAccessToken"]
        await expect(ada.page).to_have_title(" ".join(names))
        assert json.loads(await ada.page.evaluate("JSON.stringify(Object.isFrozen(bitbucketAuth))"))


async def test_a_page_with_a_very_long_address_is_not_returned_to(blank: str, tab: Open) -> None:
    async with tab() as ada:
        await ada.page.goto(blank)
        asked = await ada.page.evaluate(
            """() => [1018, 1021, 8000].map((length) => {
              let asked = "";
              class Own extends bitbucketAuth.BitbucketClient { redirect(url) { asked = url; } }
              history.replaceState(null, "", "/?q=" + "x".repeat(length));
              new Own({ backend: true }).authorize();
              return asked;
            })"""
        )
    assert asked == [f"/login?return_to=%2F%3Fq%3D{'x' * 1018}", "/login?return_to=%2F", "/login?return_to=%2F"]
    assert safe_return_path(f"/?q={'x' * 1020}") is not None
    assert safe_return_path(f"/?q={'x' * 1021}") is None  # the same limit


async def test_a_response_without_a_body_succeeds(blank: str, tab: Open) -> None:
    async with tab() as ada:
        await ada.page.goto(blank)
        told = await ada.page.evaluate(
            """async () => {
              const told = [];
              const client = new bitbucketAuth.BitbucketClient({ backend: true,
                onSuccess: (data, response) => told.push(data, response.status),
                onFailure: (error) => told.push(error.code) });
              told.push(await client.fetchResource({ resourceUrl: "/200", method: "HEAD" }));
              return told;
            }"""
        )
    assert told == [None, 200, None]


async def test_a_failed_sign_out_calls_on_failure(blank: str, tab: Open) -> None:
    async with tab() as ada:
        await ada.page.goto(blank)
        await ada.page.route("**/logout", lambda route: route.abort())
        told = await ada.page.evaluate(
            """async () => {
              const told = [];
              const options = { backend: true, onFailure: (error) => told.push(error.code) };
              await new bitbucketAuth.BitbucketClient(options).signOut().catch((error) => told.push(error.name));
              return told;
            }"""
        )
    assert told == ["no_answer"]
