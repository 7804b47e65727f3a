"""Each test has the same id in every process, so that workers can share the suite."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"\bat 0x[0-9a-f]+")


def test_ids_are_the_same_in_a_process_with_another_hash_seed(request: pytest.FixtureRequest) -> None:
    here = {item.nodeid for item in request.session.items}
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    words = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    assert here - set(done.stdout.splitlines()) == set()


def test_no_id_holds_the_address_of_an_object(request: pytest.FixtureRequest) -> None:
    assert [item.nodeid for item in request.session.items if ADDRESS.search(item.nodeid)] == []
