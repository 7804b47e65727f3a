"""Every Python fence of README and docs runs on a fake Bitbucket, and tests in fences run as tests."""

import ast
import inspect
import re
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser

from bitbucket_auth_async.testing.client_settings import set_env_vars
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from sybil import Document, Example

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(path for path in ROOT.glob("docs/**/*.md") if "generated" not in path.parts)]


def _compiled(example: "Example") -> None:
    """Compile the fence with the line numbers of its page."""
    text = "\n" * (example.line + example.parsed.line_offset) + example.parsed
    code = compile(text, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    example.namespace.setdefault("codes", []).append(code)


def _fences(page: Path) -> "list[CodeType]":
    parsers: list[Callable[[Document], Any]] = [CodeBlockParser("python", _compiled)]
    document = Sybil(parsers=parsers, path=str(page.parent), pattern=page.name).parse(page)
    for example in document.examples():
        example.evaluate()
    codes: list[CodeType] = document.namespace.get("codes", [])
    return codes


def _sign_in(fake: FakeBitbucket, namespace: dict[str, Any], _prompt: str) -> str:
    """Do as a person who opens the address and pastes back the address that the browser ends at."""
    return fake.authorize(namespace["request"].url)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_every_fence_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for code in _fences(page):
        async with mock_bitbucket() as fake:
            fake.register_client("key", "secret", callback="https://my-app.example/callback", private=True)
            with set_env_vars("key", "secret"):
                namespace: dict[str, Any] = {"__name__": "fence"}
                namespace["input"] = partial(_sign_in, fake, namespace)
                started = eval(code, namespace)  # noqa: S307 - our own pages
                if inspect.iscoroutine(started):
                    await started
                for name, value in list(namespace.items()):
                    if name == "main" or name.startswith("test_"):
                        await value()


NOT_RUN = {
    "@app.task": "Celery is not installed here; the page says that it was tried by hand",
}
"""How a Python fence that is marked as text begins, and why it does not run."""
KINDS = {"python", "console", "text", "http", "html", "javascript", "nginx", "sql", "toml", "yaml"}


def _is_code(fence: str) -> bool:
    try:
        return bool(ast.parse(fence).body)
    except SyntaxError:
        return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_python_hides_in_a_fence_that_is_not_run(page: Path) -> None:
    fences = re.findall(r"^( *)```([^\n`]*)\n(.*?)^\1```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    kinds = [kind for _, kind, _ in fences if not kind.startswith("{")]
    assert set(kinds) <= KINDS
    assert kinds.count("python") == len(_fences(page))
    hidden = [text for indent, kind, text in fences if kind == "text" and _is_code(textwrap.dedent(indent + text))]
    assert [text for text in hidden if not text.startswith(tuple(NOT_RUN))] == []


@pytest.mark.parametrize("text, found", [("a = 1\n", True), ("await x()\n", True), ("appendonly yes\n", False)])
def test_python_is_recognized(text: str, *, found: bool) -> None:
    assert _is_code(text) is found


def test_the_readme_has_fences_to_run() -> None:
    assert len(_fences(ROOT / "README.md")) >= 5
