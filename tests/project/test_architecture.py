"""Architecture rules that import-linter cannot state: the cost of imports, and where each library is imported."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "bitbucket_auth_async"

PURE = ("errors", "oauth2.*", "renewal.*")
"""Modules and folders without input and output."""

AT_HOME = {
    "aiofiles": ("cli.demo.worker",),
    "aiohttp": (
        "transports.aiohttp",
        "bearer.aiohttp",
        "api.send",
        "api.session",
        "web.aiohttp",
        "web.api_proxy",
        "testing.*",
        "cli.*",
    ),
    "aioresponses": ("testing.aioresponses",),
    "aiosqlite": ("stores.sqlite",),
    "anyio": ("npm.token_file", "codecs.keys", "runtime.threads"),
    "asyncpg": ("stores.postgres",),
    "cryptography": ("codecs.encrypted", "web.cookie_cipher"),
    "filelock": ("runtime.private_file",),
    "httpx": ("transports.httpx", "bearer.httpx"),
    "httpx2": ("transports.httpx2", "bearer.httpx2"),
    "jwt": ("bitbucket.connect",),
    "keyring": ("codecs.keys", "stores.keyring"),
    "opentelemetry": ("telemetry.otel",),
    "platformdirs": ("cli.profiles.paths", "stores.file", "stores.keyring"),
    "pytest": ("testing.*_contract", "testing.plugin"),
    "pytest_asyncio": ("testing.plugin",),
    "redis": ("stores.redis",),
    "rich": ("cli.*",),
    "starlette": ("web.starlette",),
    "typer": ("cli.app", "cli.options"),
}
"""The modules that may import each library, at the top or inside a function."""

TOP_LEVEL = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benchmarks",
    "bitbucket_auth_async",
    "docs",
    "pyproject.toml",
    "tests",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield each module's name, without the package's, and its code."""
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the full name of each import, anywhere in a module's code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(folder: str) -> dict[str, set[str]]:
    """Return the imports of each module in a folder, also those in functions and for type checkers."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    trees = dict(zip(names, (ast.parse(path.read_text(encoding="utf-8")) for path in paths), strict=True))
    # An imported name is a module, or it is defined in one.
    return {
        name: {found if found in trees else found.rpartition(".")[0] for found in imports(tree)} & trees.keys()
        for name, tree in trees.items()
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle of modules, each imported by the next, or an empty list."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def foreign(tree: ast.Module) -> set[str]:
    """Return the third-party libraries that a module imports."""
    return {name.partition(".")[0] for name in imports(tree)} - sys.stdlib_module_names - {PACKAGE}


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) or f"{name}.*" == pattern for pattern in patterns)


def loaded_by(code: str) -> set[str]:
    """Return the modules that *code* loads in a new interpreter."""
    program = f"import sys; before = set(sys.modules); {code}; print(*set(sys.modules) - before)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Coverage in the child would load its own modules.
    environment.pop("COVERAGE_PROCESS_CONFIG", None)
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def libraries(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def test_importing_the_package_loads_no_third_party_library() -> None:
    assert libraries(loaded_by(f"from {PACKAGE} import TokenManager")) == {PACKAGE}


def test_importing_every_public_name_loads_no_third_party_library() -> None:
    assert libraries(loaded_by(f"from {PACKAGE} import *")) == {PACKAGE}


@pytest.mark.parametrize("room, names", [("stores", "*"), ("codecs", "JsonCodec, keys_from_env")])
def test_importing_the_names_of_a_folder_loads_no_third_party_library(room: str, names: str) -> None:
    loaded = {name.partition(".")[0] for name in loaded_by(f"import {PACKAGE}.{room}")}
    assert loaded - sys.stdlib_module_names == {PACKAGE}


def test_importing_the_package_loads_no_adapter() -> None:
    rooms = tuple(f"{PACKAGE}.{room}." for room in ("stores", "transports", "bearer", "api", "web", "testing", "cli"))
    assert [name for name in loaded_by(f"from {PACKAGE} import TokenManager") if name.startswith(rooms)] == []


def test_the_demo_does_not_load_pytest() -> None:
    assert libraries(loaded_by(f"import {PACKAGE}.cli.demo.demo")) & {"pytest", "_pytest", "aioresponses"} == set()


@pytest.mark.parametrize(
    "name", [f"{room}.{name}" for room in ("transports", "bearer") for name in ("aiohttp", "httpx", "httpx2")]
)
def test_an_adapter_loads_the_library_that_it_is_named_after(name: str) -> None:
    assert name.rpartition(".")[2] in libraries(loaded_by(f"import {PACKAGE}.{name}"))


def test_pure_rooms_import_no_third_party_library() -> None:
    found = {name: foreign(tree) for name, tree in modules() if matches(name, PURE) and foreign(tree)}
    assert found == {}


def test_each_library_is_imported_only_where_the_table_allows_it() -> None:
    violations = [
        f"{name} imports {library}"
        for name, tree in modules()
        for library in foreign(tree)
        if not matches(name, AT_HOME.get(library, ()))
    ]
    assert violations == []


def test_the_command_line_uses_only_the_fake_its_server_and_its_clock_from_the_testing_kit() -> None:
    testing = f"{PACKAGE}.testing."
    taken = {
        found.removeprefix(testing).partition(".")[0]
        for name, tree in modules()
        if matches(name, ("cli.*",))
        for found in imports(tree)
        if found.startswith(testing)
    }
    assert taken <= {"fake_clock", "fake", "fake_bitbucket", "server"}


@pytest.mark.parametrize("folder", [PACKAGE, "tests/simulation"])
def test_modules_do_not_import_each_other_in_a_circle(folder: str) -> None:
    graph = import_graph(folder)
    assert sum(map(len, graph.values())) > len(graph), "the graph lacks imports"
    assert circle(graph) == []


def test_init_files_only_re_export() -> None:
    lazy = {"__getattr__", "__dir__"}
    for path in (ROOT / PACKAGE).rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        made = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        assert {node.name for node in made} <= lazy, path


def test_the_top_level_has_only_known_files_and_folders() -> None:
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert names <= TOP_LEVEL


def test_the_architecture_page_describes_each_room() -> None:
    page = (ROOT / "docs" / "project" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.stem for path in (ROOT / PACKAGE).iterdir() if not path.name.startswith(("_", "py.typed"))}
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert len(rooms) > 12
    assert [room for room in sorted(rooms) if not any(f"`{room}`" in row for row in rows)] == []


def test_the_packages_root_has_four_files() -> None:
    files = {path.name for path in (ROOT / PACKAGE).glob("*.py")}
    assert files == {"__init__.py", "__main__.py", "errors.py", "protocols.py"}
