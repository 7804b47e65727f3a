"""The documentation as readers get it: opened from the disk without a network, wide and narrow, light and dark."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Request, expect

from tests.browser.conftest import SCREENSHOTS

pytestmark = pytest.mark.timeout(600)  # 140 pages are built, and each is looked at in four ways
ROOT = Path(__file__).parents[2]
WIDTHS = (360, 1440)
TONES = ("light", "dark")
LOOKED_AT = (
    "index",
    "tutorial",
    "explanation/flow",
    "comparison/index",
    "how-to/register",
    "reference/generated/token-manager",
)
"""Pages of which a picture is taken, so that somebody can look at them."""

STICKS_OUT = r"""() => {
  const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const fits = (element) => element.getBoundingClientRect().right <= innerWidth + 1;
  const held = (element) => {
    // The page itself, which scrolls if need be, is not what should hold anything.
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
QUESTIONS = {"sticks out": STICKS_OUT, "is cut off": CUT_OFF, "is broken": BROKEN, "in a wrong tone": WRONG_TONE}
"""Each answers with what it found amiss on a page."""


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
    """Give a page without a network; whatever it asks for elsewhere than on the disk fails the test."""
    context = await chromium.new_context(offline=True)
    asked: list[str] = []
    page = await context.new_page()

    def note(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            asked.append(request.url)

    page.on("request", note)
    yield page
    await context.close()
    assert asked == []


async def test_each_page_fits_and_shows_its_pictures(site: Path, pages: list[Path], reader: Page) -> None:
    assert len(pages) > 100
    complaints: list[tuple[str, int, str, str, list[str]]] = []
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for path in pages:
        name = path.relative_to(site).with_suffix("").as_posix()
        await reader.goto(path.as_uri())
        for width in WIDTHS:
            await reader.set_viewport_size({"width": width, "height": 900})
            for tone in TONES:
                await reader.evaluate("tone => document.body.dataset.theme = tone", tone)
                for what, question in QUESTIONS.items():
                    found: list[str] = await reader.evaluate(question, tone)
                    if found:
                        complaints.append((name, width, tone, what, found))
                if name in LOOKED_AT:
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
    # Results are shown one after the other: what is waited for is the page itself, not a first one.
    await expect(reader.locator(f"#search-results ul.search a[href*='{page}']").first).to_be_visible()


async def test_what_nobody_wrote_is_not_found(site: Path, reader: Page) -> None:
    await reader.goto((site / "search.html").as_uri() + "?q=xyzzyplugh")
    await expect(reader.locator(".search-summary")).to_contain_text("did not match any documents")
    assert await reader.locator("#search-results ul.search a").count() == 0
