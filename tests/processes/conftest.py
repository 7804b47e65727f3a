"""A crew for each test."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bitbucket_auth_async.testing.server import serve
from tests.crew import Crew


@pytest.fixture(params=[False])
async def crew(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Crew]:
    crew = Crew((tmp_path / "tokens.json").as_uri(), strict=request.param)
    async with serve(crew.fake) as site:
        crew.site = site
        yield crew
        await crew.stop()
