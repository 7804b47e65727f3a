"""extra: the import error of an adapter whose library is missing."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bitbucket_auth_async.runtime.extras import extra

ROOT = Path(__file__).parents[2]
ADAPTERS = {
    "bearer.httpx": "httpx",
    "bearer.httpx2": "httpx2",
    "codecs.encrypted": "crypto",
    "stores.keyring": "keyring",
    "stores.postgres": "postgres",
    "stores.redis": "redis",
    "stores.sqlite": "sqlite",
    "telemetry.otel": "otel",
    "testing.aioresponses": "testing",
    "testing.bearer_contract": "testing",
    "testing.store_contract": "testing",
    "testing.transport_contract": "testing",
    "transports.httpx": "httpx",
    "transports.httpx2": "httpx2",
    "web.aiohttp": "crypto",
    "web.starlette": "starlette",
}
LIBRARIES = "aioresponses aiosqlite asyncpg cryptography httpx httpx2 keyring opentelemetry pytest redis starlette"
PROGRAM = """
import importlib, json, sys

adapters, libraries = sys.argv[1].split(), sys.argv[2].split()
sys.modules |= dict.fromkeys(libraries)  # None makes the import fail
said = {}
for name in adapters:
    try:
        importlib.import_module(f"bitbucket_auth_async.{name}")
    except ModuleNotFoundError as error:
        said[name] = getattr(error, "__notes__", [])
print(json.dumps(said))
"""


def test_an_adapter_without_its_library_names_the_extra() -> None:
    program = [sys.executable, "-c", PROGRAM, " ".join(ADAPTERS), LIBRARIES]
    done = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60)
    hint = "An extra brings it: pip install 'bitbucket-auth-async[{}]'"
    assert json.loads(done.stdout) == {adapter: [hint.format(name)] for adapter, name in ADAPTERS.items()}


def test_each_named_extra_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(ADAPTERS.values()) <= set(project["optional-dependencies"])


def test_other_import_errors_are_unchanged() -> None:
    with pytest.raises(ImportError) as caught, extra("redis"):
        raise ImportError
    assert not hasattr(caught.value, "__notes__")
