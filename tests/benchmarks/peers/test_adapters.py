"""The adapters whose libraries the suite has; `make compare` checks all adapters before it measures."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks.peers.adapters.bare_peer import Adapter as Bare
from benchmarks.peers.adapters.ours_peer import Adapter as Ours
from benchmarks.peers.peer import NAMES, load
from benchmarks.peers.preflight import UnfitError, check_adapter
from benchmarks.peers.world import ROOT, SignIn, World


@pytest.mark.parametrize("name", ["ours", "authlib", "bare"])
async def test_an_adapter_hands_out_renews_saves_and_loads_a_token(name: str, lenient: World, tmp_path: Path) -> None:
    await check_adapter(load(name), lenient, tmp_path / "tokens.json")


async def test_an_adapter_that_renews_a_valid_token_is_refused(lenient: World, tmp_path: Path) -> None:
    class Wasteful(Ours):
        async def start(self, sign_in: SignIn | None) -> None:
            await super().start(self.world.sign_in(left=-2) if sign_in is not None else None)

    with pytest.raises(UnfitError, match="token of the sign-in"):
        await check_adapter(Wasteful, lenient, tmp_path / "tokens.json")


async def test_an_adapter_that_hands_out_an_expired_token_is_refused(lenient: World, tmp_path: Path) -> None:
    class Lazy(Bare):
        LACKS: ClassVar[Mapping[str, str]] = {}

    with pytest.raises(UnfitError, match="does not renew"):
        await check_adapter(Lazy, lenient, tmp_path / "tokens.json")


async def test_an_adapter_that_does_not_save_is_refused(lenient: World, tmp_path: Path) -> None:
    class Forgetful(Ours):
        def __init__(self, world: World, file: Path | None) -> None:
            super().__init__(world, None if file is None else file.with_name(f"{id(self)}.json"))

    with pytest.raises(Exception, match="No one has signed in"):
        await check_adapter(Forgetful, lenient, tmp_path / "tokens.json")


def test_each_adapter_is_about_a_page_long() -> None:
    for name in NAMES:
        lines = (
            (ROOT / "benchmarks" / "peers" / "adapters" / f"{name}_peer.py").read_text(encoding="utf-8").splitlines()
        )
        assert 20 < len(lines) <= 110, name
