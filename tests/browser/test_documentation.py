"""The documentation as readers see it: opened from disk without a network, wide and narrow, light and dark."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Request, expect

from tests.browser.conftest import SCREENSHOTS

pytestmark = pytest.mark.timeout(600)  # 140 pages are built, and each is checked in four ways
ROOT = Path(__file__).parents[2]
WIDTHS = (360, 1440)
TONES = ("light", "dark")
PICTURED = (
    "index",
    "tutorial",
    "explanation/flow",
    "comparison/index",
    "how-to/register",
    "reference/generated/token-manager",
)
"""Pages of which screenshots are taken, for people to look at."""

STICKS_OUT = r"""() => {
  const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const fits = (element) => element.getBoundingClientRect().right <= innerWidth + 1;
  const held = (element) => {
    // The page itself must not scroll horizontally.
    for (let box = element.parentElement; !box.matches("article"); box = box.parentElement)
      if (scrolls(box) && fits(box)) return true;
    return false;
  };
  const found = [...document.querySelectorAll("article *")]
    .filter((element) => element.checkVisibility() && !fits(element) && !held(element))
    .map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 60)}`);
  if (document.documentElement.scrollWidth > innerWidth) found.push("the whole page");
  return found.slice(0, 5);
}"""
CUT_OFF = r"""() => [...document.querySelectorAll("article pre")]
  .filter((pre) => pre.scrollWidth > pre.clientWidth + 1 && getComputedStyle(pre).overflowX !== "auto")
  .map((pre) => pre.textContent.slice(0, 60))"""
BROKEN = "() => [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)"
WRONG_TONE = r"""(tone) => [...document.querySelectorAll("img.only-light, img.only-dark")]
  .filter((image) => image.checkVisibility() !== image.classList.contains(`only-${tone}`))
  .map((image) => image.src)"""
CHECKS = {"sticks out": STICKS_OUT, "is cut off": CUT_OFF, "is broken": BROKEN, "in a wrong tone": WRONG_TONE}
"""Each returns the problems that it finds on a page."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "docs", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


@pytest.fixture
async def reader(chromium: Browser) -> AsyncGenerator[Page]:
    """Return a page without a network; a request for anything but local files fails the test."""
    context = await chromium.new_context(offline=True)
    requested: list[str] = []
    page = await context.new_page()

    def note(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            requested.append(request.url)

    page.on("request", note)
    yield page
    await context.close()
    assert requested == []


async def test_each_page_fits_and_shows_its_images(site: Path, pages: list[Path], reader: Page) -> None:
    assert len(pages) > 50
    complaints: list[tuple[str, int, str, str, list[str]]] = []
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for path in pages:
        name = path.relative_to(site).with_suffix("").as_posix()
        await reader.goto(path.as_uri())
        for width in WIDTHS:
            await reader.set_viewport_size({"width": width, "height": 900})
            for tone in TONES:
                await reader.evaluate("tone => document.body.dataset.theme = tone", tone)
                for what, check in CHECKS.items():
                    found: list[str] = await reader.evaluate(check, tone)
                    if found:
                        complaints.append((name, width, tone, what, found))
                if name in PICTURED:
                    picture = SCREENSHOTS / f"docs-{name.replace('/', '-')}-{width}-{tone}.png"
                    await reader.screenshot(path=picture, full_page=True)
    assert complaints == []


@pytest.mark.parametrize(
    "words, page",
    [("rotation", "explanation/rotation.html"), ("LoginRequiredError", "how-to/when-it-goes-wrong.html")],
)
async def test_the_search_finds_a_page_without_a_network(site: Path, reader: Page, words: str, page: str) -> None:
    await reader.goto((site / "index.html").as_uri())
    await reader.locator("input[name=q]").first.fill(words)
    await reader.locator("input[name=q]").first.press("Enter")
    # Results appear one after the other, so the test waits for the page, not for the first result.
    await expect(reader.locator(f"#search-results ul.search a[href*='{page}']").first).to_be_visible()


async def test_the_search_finds_nothing_for_an_unused_word(site: Path, reader: Page) -> None:
    await reader.goto((site / "search.html").as_uri() + "?q=xyzzyplugh")
    await expect(reader.locator(".search-summary")).to_contain_text("did not match any documents")
    assert await reader.locator("#search-results ul.search a").count() == 0
