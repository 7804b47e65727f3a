"""Documented commands run, or at least exist."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

from bitbucket_auth_async.cli.app import app
from docs.contents import PAGES

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
STEP = re.compile(r"`(\w+\.py)`.*?```python\n(.*?)```\n+```console\n\$ python \1\n(.*?)```", re.DOTALL)
STEPS = {name: (code, printed) for name, code, printed in STEP.findall(TUTORIAL)}
LINES = sorted(
    {
        line
        for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
        for fence in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for line in re.findall(r"^\$ (.*)$", fence, re.MULTILINE)
    }
)


def test_the_steps_of_the_tutorial_are_found() -> None:
    assert list(STEPS) == ["first.py", "sign_in.py", "lost.py", "kept.py"]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_the_tutorial_prints_what_it_says(name: str, tmp_path: Path) -> None:
    code, printed = STEPS[name]
    (tmp_path / name).write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == printed if printed else done.stdout


def our_commands() -> list[str]:
    """Return each documented call of the command line, also those inside other commands."""
    found = [match[0] for line in LINES for match in re.finditer(r"bitbucket-auth [a-z][^|)#&]*", line)]
    return sorted(set(found))


@pytest.mark.parametrize("line", our_commands())
def test_the_command_line_accepts_each_documented_call(line: str) -> None:
    group = typer.main.get_group(app)
    words = shlex.split(line)[1:]
    with group.make_context("bitbucket-auth", words) as context:
        name, command, rest = group.resolve_command(context, words)
        assert command is not None
        with command.make_context(name, rest, parent=context):
            pass


def test_each_documented_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = {name for line in re.findall(r"^([a-z][a-z -]*):(?!=)", makefile, re.MULTILINE) for name in line.split()}
    examples = re.search(r"^EXAMPLES := (.*)$", makefile, re.MULTILINE)
    assert examples is not None
    known |= {f"example-{name}" for name in examples[1].split()}
    texts = [page.read_text(encoding="utf-8") for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]]
    asked = {
        word for text in texts for words in re.findall(r"(?:`|\$ )make ([a-z -]+)", text) for word in words.split()
    }
    assert len(asked) > 15
    assert asked - known - {"example-"} == set()  # `example-<name>` stands for all examples


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("python -c ")])
def test_each_documented_line_of_python_runs(line: str) -> None:
    done = subprocess.run(
        [sys.executable, *shlex.split(line)[1:]], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout


@pytest.mark.parametrize("line", [line for line in LINES if "pip install" in line or "pipx install" in line])
def test_each_documented_extra_exists(line: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = re.findall(r"\[(\w+(?:,\w+)*)\]", line)
    assert {name for names in asked for name in names.split(",")} <= extras.keys()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_of_the_pages_at_the_top_level_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link}
    links |= set(re.findall(r"`(docs/[\w./-]+)`", text))
    assert {link for link in links if link and not (ROOT / link).exists()} == set()
