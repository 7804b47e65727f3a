"""The example web services in Chromium, on real ports, with the fake Bitbucket."""

import json
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from bitbucket_auth_async.web.safe_return_path import safe_return_path
from tests.browser.conftest import WIDTHS, Board, Open, judged


async def consent(page: Page, person: str = "Ada", decision: str = "Grant access") -> None:
    await page.get_by_label(person).check()
    await page.get_by_role("button", name=decision).click()


async def sign_in(page: Page, board: Board, person: str = "Ada") -> None:
    await page.goto(board.url)
    await page.get_by_role("link", name="Sign in with Bitbucket").click()
    await consent(page, person)
    await expect(page.locator("#name")).to_have_text("Grace Hopper" if person.startswith("Grace") else "Ada")


async def test_a_person_signs_in_and_sees_their_repositories(board: Board, tab: Open) -> None:
    async with tab() as ada:
        page = ada.page
        await sign_in(page, board)
        assert page.url == f"{board.url}/"
        await expect(page.locator("#repositories li")).to_have_count(8)
        await expect(page.locator("#count")).to_have_text("(25)")
        await page.get_by_role("button", name="Show more").click()
        await expect(page.locator("#repositories li")).to_have_count(16)
        assert board.fake.token_requests == 1


class TestShortLivedTokens:
    @pytest.fixture
    def lifetime(self) -> float:
        return 2.0

    async def test_a_person_stays_signed_in_over_three_rotations(self, board: Board, tab: Open) -> None:
        async with tab() as ada:
            await sign_in(ada.page, board)
            await expect(ada.page.locator("#renewals")).to_have_text("3", timeout=30_000)
            await expect(ada.page.locator("#status")).to_contain_text("Renewed")
            await ada.page.reload()
            await expect(ada.page.locator("#name")).to_have_text("Ada")
            await expect(ada.page.locator("#notice")).to_be_hidden()
        assert board.fake.second_spends == []

    async def test_a_person_signs_in_again_after_a_revocation(self, board: Board, tab: Open) -> None:
        async with tab() as ada:
            await sign_in(ada.page, board)
            board.fake.revoke(client=board.client)
            await expect(ada.page.get_by_role("alert")).to_contain_text("You have been signed out", timeout=15_000)
            await ada.page.get_by_role("link", name="Sign in again").click()
            await consent(ada.page)
            await expect(ada.page.locator("#repositories li")).to_have_count(8)


async def test_a_person_who_declines_may_try_again(board: Board, tab: Open) -> None:
    async with tab() as ada:
        page = ada.page
        await page.goto(f"{board.url}/login")
        await consent(page, decision="Cancel")
        await expect(page.get_by_role("heading")).to_have_text("Access was not granted")
        await page.get_by_role("link", name="Sign in again").click()
        await consent(page)
        await expect(page.locator("#name")).to_have_text("Ada")


async def test_two_tabs_sign_in_at_once(board: Board, tab: Open) -> None:
    async with tab() as first, tab(first.page.context) as second:
        await first.page.goto(f"{board.url}/login?return_to=/%3Ftab=1")
        await second.page.goto(f"{board.url}/login?return_to=/%3Ftab=2")
        await consent(second.page)
        await consent(first.page)
        for each, place in ((first, "1"), (second, "2")):
            await expect(each.page.locator("#name")).to_have_text("Ada")
            assert each.page.url == f"{board.url}/?tab={place}"


async def test_two_people_in_two_browsers_see_their_own_data(board: Board, tab: Open) -> None:
    async with tab() as ada, tab() as grace:
        await sign_in(ada.page, board)
        await sign_in(grace.page, board, "Grace Hopper")
        await ada.page.reload()
        await expect(ada.page.locator("#name")).to_have_text("Ada")


async def test_the_back_button_after_a_sign_in_keeps_the_session(board: Board, tab: Open) -> None:
    async with tab() as ada:
        await sign_in(ada.page, board)
        await ada.page.go_back()  # to the consent page: the callback left no entry
        assert "/site/oauth2/authorize" in ada.page.url
        await consent(ada.page)  # the same request again, but its sign-in is finished
        await expect(ada.page.get_by_role("heading")).to_have_text("This sign-in can't be finished")
        await ada.page.get_by_role("link", name="Back to the start").click()
        await expect(ada.page.locator("#name")).to_have_text("Ada")


async def test_signing_out_leaves_no_cookie(board: Board, tab: Open) -> None:
    async with tab() as ada:
        await sign_in(ada.page, board)
        await ada.page.get_by_role("button", name="Sign out").click()
        await expect(ada.page.get_by_role("link", name="Sign in with Bitbucket")).to_be_visible()
        assert await ada.page.context.cookies() == []
        await ada.page.go_back()
        await expect(ada.page.get_by_role("link", name="Sign in with Bitbucket")).to_be_visible()


async def test_no_secret_is_visible_to_a_script_or_another_site(board: Board, tab: Open) -> None:
    async with tab() as ada:
        page = ada.page
        await sign_in(page, board)
        await expect(page.locator("#repositories li")).to_have_count(8)
        (cookie,) = await page.context.cookies()
        assert (cookie.get("httpOnly"), cookie.get("sameSite"), cookie.get("path")) == (True, "Lax", "/")
        kept = "[document.cookie, document.referrer, JSON.stringify(localStorage), JSON.stringify(sessionStorage)]"
        assert await page.evaluate(kept) == ["", "", "{}", "{}"]
        (callback,) = [request.url for request in ada.requests if urlsplit(request.url).path == "/callback"]
        code = callback.partition("code=")[2].partition("&")[0]
        after = ada.requests[[request.url for request in ada.requests].index(callback) + 1 :]
        assert len(after) > 5
        for request in after:
            headers = await request.all_headers()
            assert code not in request.url + headers.get("referer", "")
            assert "authorization" not in headers
        family = board.fake.families[-1]
        source = await page.content() + json.dumps(await page.context.cookies())
        assert family.person is board.fake.person
        for secret in (code, *board.fake._issued.access, *board.fake._issued.refresh):
            assert secret not in source


async def test_another_site_can_neither_sign_a_person_out_nor_read(board: Board, tab: Open) -> None:
    async with tab() as ada:
        page = ada.page
        await sign_in(page, board)
        elsewhere = board.url.replace("127.0.0.1", "localhost")  # for the browser this is another site
        await page.goto(f"{elsewhere}/pages/style.css")
        told = await page.evaluate(
            """async (url) => {
              const told = [];
              for (const [path, options] of [["/resource?url=/2.0/user", {}], ["/logout", { method: "POST" }]]) {
                try { told.push((await fetch(url + path, { credentials: "include", ...options })).status) }
                catch (error) { told.push(error.name) }
              }
              return told;
            }""",
            board.url,
        )
        assert told == ["TypeError", "TypeError"]
        await page.goto(board.url)
        await expect(page.locator("#name")).to_have_text("Ada")
        ada.complaints.clear()  # the browser logs what it refused


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("framework", ["aiohttp"], indirect=True)
async def test_each_page_is_accessible(board: Board, tab: Open, theme: str, width: str) -> None:
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    async with tab(viewport=size, color_scheme=theme) as ada:
        page = ada.page
        await page.goto(board.url)
        await judged(ada, f"welcome-{theme}-{width}")
        await page.get_by_role("link", name="Sign in with Bitbucket").click()
        await judged(ada, f"consent-{theme}-{width}")
        await consent(page)
        await expect(page.locator("#repositories li")).to_have_count(8)
        await expect(page.locator("#left")).to_contain_text("min")
        await judged(ada, f"board-{theme}-{width}")
        await page.goto(f"{board.url}/callback?code=c&state=s")
        await judged(ada, f"stale-{theme}-{width}")


@pytest.mark.parametrize("framework", ["aiohttp"], indirect=True)
async def test_chromium_stays_on_this_site_for_every_safe_return_path(board: Board, tab: Open) -> None:
    parts = ["/", "\\", ".", "..", "%2f", "%5c", "%09", "\t", "\n", "a", "@", ":", "evil.example", "?", "%252f", ";"]
    texts = [f"/{a}{b}{c}" for a in parts for b in parts for c in parts]
    taken = [text for text in texts if safe_return_path(text) is not None]
    assert 100 < len(taken) < len(texts)
    async with tab() as ada:
        await ada.page.goto(board.url)
        other_origin = """(texts) => texts.filter((text) => {
          try { return new URL(text, location.href).origin !== location.origin } catch { return false }
        })"""
        assert await ada.page.evaluate(other_origin, taken) == []
        assert len(await ada.page.evaluate(other_origin, texts)) > 100  # so many would have led to another origin
