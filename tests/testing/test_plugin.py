"""The pytest plugin, run by a separate pytest."""

import subprocess
import sys
from pathlib import Path

import pytest

BOT = """
import os
import aiohttp


async def test_the_fake_uses_the_fake_clock(fake_clock, fake_bitbucket):
    token = fake_bitbucket.sign_in()
    assert fake_bitbucket.is_live(token.access_token)
    await fake_clock.advance(3600)
    assert not fake_bitbucket.is_live(token.access_token)


async def test_the_server(fake_bitbucket, fake_bitbucket_server):
    headers = {"Authorization": "Bearer " + fake_bitbucket.sign_in().access_token}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(fake_bitbucket_server.base_url + "/2.0/user") as response:
            assert response.status == 200


async def test_the_mock(mocked_bitbucket):
    headers = {"Authorization": "Bearer " + mocked_bitbucket.sign_in().access_token}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get("https://api.bitbucket.org/2.0/user") as response:
            assert response.status == 200


async def test_the_mocked_token_endpoint(mocked_token_endpoint):
    async with aiohttp.ClientSession() as http:
        async with http.post("https://bitbucket.org/site/oauth2/access_token") as response:
            assert response.status == 200


def test_the_client_is_in_the_environment(bitbucket_env, fake_bitbucket):
    assert os.environ["BITBUCKET_CLIENT_ID"] == fake_bitbucket.client.client_id
    assert bitbucket_env["BITBUCKET_CLIENT_SECRET"] == fake_bitbucket.client.client_secret


def test_a_fake_without_a_clock_is_on_the_real_one(fake_bitbucket):
    assert fake_bitbucket.is_live(fake_bitbucket.sign_in().access_token)
"""

LIGHT = """
import sys


def test_no_library_was_imported():
    assert "bitbucket_auth_async.testing.plugin" in sys.modules
    for name in ("aiohttp", "aioresponses", "bitbucket_auth_async.testing.fake_bitbucket"):
        assert name not in sys.modules
"""


def run(tmp_path: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_bot.py").write_text(source)
    root = str(Path(__file__).parents[2])
    plugins = (*options, "-p", "bitbucket_auth_async.testing.plugin", "-p", "no:cacheprovider")
    # Entry points are off, so that the result does not depend on whether the package is installed.
    environment = {"PYTHONPATH": root, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-W",
        "error",
        *plugins,
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=tmp_path)


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_every_fixture_works_in_both_modes_of_pytest_asyncio(tmp_path: Path, mode: str) -> None:
    source = BOT.replace("async def test", "@pytest.mark.asyncio\nasync def test") if mode == "strict" else BOT
    options = ("-p", "pytest_asyncio.plugin", "-o", f"asyncio_mode={mode}")
    scope = ("-o", "asyncio_default_fixture_loop_scope=function")
    result = run(tmp_path, f"import pytest\n{source}", *options, *scope)
    assert "6 passed" in result.stdout, result.stdout + result.stderr


def test_without_a_fixture_the_plugin_imports_no_library(tmp_path: Path) -> None:
    result = run(tmp_path, LIGHT)
    assert "1 passed" in result.stdout, result.stdout + result.stderr
