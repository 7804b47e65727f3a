import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("how", ["filtered", "plain"])
@pytest.mark.parametrize("library", ["aiohttp", "httpx", "httpx2"])
def test_r11_no_failure_anywhere_shows_a_secret_with_everything_at_debug(library: str, how: str) -> None:
    """With debug logs of all libraries, asyncio's debug mode, and an exception at each await of a renewal."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "tests.support.programs.failing_renewals", library, how],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert seen["awaits"] >= 6  # a store waits for its threads in other tasks
    assert len(seen["secrets"]) >= 2 * seen["awaits"]
    assert "DEBUG" in done.stderr
    assert "asyncio WARNING Executing" in done.stderr
    assert "UnexpectedError: thrown by the test" in done.stderr
    assert [secret for secret in seen["secrets"] if secret in done.stderr] == []
