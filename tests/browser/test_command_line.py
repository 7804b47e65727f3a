"""`bitbucket-auth login` with a real browser: consent, the closing page, and interfering pages."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.conftest import SCREENSHOTS
from tests.support.command_line import CommandLine, command_line


@pytest.fixture
async def cli(tmp_path: Path) -> AsyncGenerator[CommandLine]:
    async with command_line(tmp_path) as found:
        yield found


async def started(cli: CommandLine) -> tuple[asyncio.subprocess.Process, str]:
    """Start a sign-in, and return the process and the URL for the browser."""
    process = await cli.start(*cli.login_words())
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while True:
            line = (await process.stderr.readline()).decode()
            assert line, "the program ended"
            if line.startswith("http"):
                return process, line.strip()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_person_agrees_and_sees_the_closing_page(cli: CommandLine, chromium: Browser, scheme: str) -> None:
    process, url = await started(cli)
    page = await chromium.new_page(color_scheme="dark" if scheme == "dark" else "light")
    await page.goto(url)
    await page.click("button[value=allow]")
    await page.wait_for_url(f"{cli.callback}**")
    assert await page.inner_text("h1") == "Signed in"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"command-line-{scheme}.png")
    assert await process.wait() == 0
    done = await cli.run("token")
    assert cli.fake.is_live(done.out.strip())


async def test_a_person_declines_and_sees_the_closing_page(cli: CommandLine, chromium: Browser) -> None:
    process, url = await started(cli)
    page = await chromium.new_page()
    await page.goto(url)
    await page.click("button[value=deny]")
    await page.wait_for_url(f"{cli.callback}**")
    assert await page.inner_text("h1") == "Not signed in"
    assert await process.wait() == 1


async def test_a_page_that_scans_ports_neither_ends_the_sign_in_nor_reads_anything(
    cli: CommandLine, chromium: Browser
) -> None:
    process, url = await started(cli)
    page = await chromium.new_page()
    await page.goto(f"{cli.site.base_url}/2.0/user")  # a page of another origin
    read = await page.evaluate(
        """async (place) => {
            const read = [];
            for (let turn = 0; turn < 40; turn++) {
                for (const path of ["/", "/callback?code=theirs&state=guessed", "/callback?error=access_denied"]) {
                    const at = place + path;
                    new Image().src = at;
                    try { read.push((await fetch(at)).status) } catch (error) { /* as it should be */ }
                    try { await fetch(at, {method: "POST", mode: "no-cors", body: "code=theirs"}) } catch (error) {}
                }
            }
            return read;
        }""",
        cli.callback.removesuffix("/callback"),
    )
    assert read == []
    assert process.returncode is None
    await page.goto(url)
    await page.click("button[value=allow]")
    await page.wait_for_url(f"{cli.callback}**")
    assert await process.wait() == 0
