"""The modules of the testing kit that the command line uses import no test tools."""

import subprocess
import sys
from pathlib import Path

import pytest

import bitbucket_auth_async.testing as kit


@pytest.mark.parametrize(
    "module, unwanted",
    [
        ("fake_clock", {"pytest", "aioresponses", "aiohttp"}),
        ("fake_bitbucket", {"pytest", "aioresponses", "aiohttp"}),
        ("fake.faults", {"pytest", "aioresponses", "aiohttp"}),
        ("client_settings", {"pytest", "aioresponses", "aiohttp"}),
        ("server", {"pytest", "aioresponses"}),
        ("mock_aiohttp", {"pytest", "aioresponses"}),
    ],
)
def test_a_module_imports_no_more_than_it_needs(module: str, unwanted: set[str]) -> None:
    code = f"import sys, bitbucket_auth_async.testing.{module}; print(*sys.modules)"
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root)
    assert not unwanted & set(result.stdout.split())


@pytest.mark.parametrize("name", kit.__all__)
def test_each_public_name_can_be_imported(name: str) -> None:
    assert getattr(kit, name) is not None


def test_an_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kit.nothing  # noqa: B018  - the access is the test
