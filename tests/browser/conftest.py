"""The machine's Chromium, and the example programs on free ports; `make test-browser` runs these tests."""

import os
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, async_playwright

from bitbucket_auth_async import Client
from bitbucket_auth_async.codecs.encrypted import EncryptionKey
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import listening, serve
from docs.examples import web_service, web_service_fastapi
from tests.support.ports import free_port
from tests.support.web_apps import serving

SCREENSHOTS = Path(__file__).parents[2] / ".build" / "screenshots"
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
WIDTHS = {"wide": (1200, 800), "narrow": (390, 844)}
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture
async def chromium() -> AsyncGenerator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    assert path, "Chromium was not found: apt-get install chromium, or set the variable CHROMIUM to its path."
    # Chromium's sandbox does not start for root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        await browser.close()


@dataclass  # without slots, because Playwright sets an attribute on listeners
class Tab:
    """A page, with its requests and errors."""

    page: Page
    requests: list[Request] = field(default_factory=list[Request])
    complaints: list[str] = field(default_factory=list[str])

    def watch(self) -> "Tab":
        self.page.on("request", self._request)
        self.page.on("console", self._console)
        self.page.on("pageerror", self._error)
        return self

    def _request(self, request: Request) -> None:
        self.requests.append(request)

    def _console(self, message: ConsoleMessage) -> None:
        # A status of 4xx is logged as an error too, but may be the subject of a test.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _error(self, error: Error) -> None:
        self.complaints.append(str(error))


Open = Callable[..., AbstractAsyncContextManager[Tab]]


@pytest.fixture
def tab(chromium: Browser) -> Open:
    """Open a page in a separate browser context; its errors fail the test."""

    @asynccontextmanager
    async def opened(context: BrowserContext | None = None, **options: Any) -> AsyncGenerator[Tab]:  # noqa: ANN401 - Playwright's own
        own = await chromium.new_context(**options) if context is None else context
        found = Tab(await own.new_page()).watch()
        found.page.set_default_timeout(15_000)
        yield found
        if context is None:
            await own.close()
        assert found.complaints == []

    return opened


async def judged(ada: Tab, name: str) -> None:
    """Take a screenshot, and check the page with axe-core and for horizontal overflow."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await ada.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    assert await ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await ada.page.evaluate(AXE)
    found = (await ada.page.evaluate("axe.run()"))["violations"]
    assert [(each["id"], each["impact"], [node["html"] for node in each["nodes"]]) for each in found] == []


@dataclass(slots=True)
class Board:
    """One of the two web services, and its fake Bitbucket."""

    url: str
    fake: FakeBitbucket
    client: Client


@pytest.fixture(params=["aiohttp", "fastapi"])
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def lifetime() -> float:
    """Seconds for which a token is valid; a test of renewals uses less."""
    return 3600.0


@pytest.fixture
async def board(framework: str, lifetime: float) -> AsyncGenerator[Board]:
    fake = FakeBitbucket(lifetime=lifetime)
    fake.register_person("grace", display_name="Grace Hopper")
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    client = fake.register_client(callback=f"{here}/callback")
    async with serve(fake) as site:
        options: dict[str, Any] = {
            "store": MemoryStore(),
            "keys": [EncryptionKey.new()],
            "redirect_uri": f"{here}/callback",
            "server": site.server,
        }
        if framework == "aiohttp":
            async with listening(web_service.make_app(client, **options), port):
                yield Board(here, fake, client)
        else:
            async with serving(web_service_fastapi.make_app(client, **options), port, lifespan="on"):
                yield Board(here, fake, client)
