"""What does a crash cost between spending a refresh token and saving its successor?"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.scenario import Column, Figures, Worker, worker
from benchmarks.peers.world import World, opened

GRACE = 6.0
TITLE = "A crash between spending and saving"
WHAT = (
    "A process with an expired token is killed after the server has spent its refresh token, and before it has the "
    "answer. It is restarted with its file, at once or after the server's grace period (here shortened to "
    f"{GRACE:g} s). In the second case another process with the same file asks every half second."
)
COLUMNS = (
    Column("ms", "restarted at once: ms until served (grace)"),
    Column("served", "served (grace)", truth=True, better="high"),
    Column("served_late", "restarted late, with a sibling: served (grace)", truth=True, better="high"),
    Column("sibling_errors", "errors of the sibling (grace)"),
    Column("served_strict", "restarted at once: served (strict)", truth=True, better="high"),
)
ROUNDS = 1
_HELD = 60.0
_EVERY = 0.5
_ATTEMPTS = 12


def conduct(peer: str, control: int) -> Figures:
    """Crash three times: at a lenient server, at a strict server, and with a sibling."""
    figures: dict[str, float] = {}
    for strict in (False, True):
        with opened(control, grace=GRACE, latency=0, strict=strict) as world, TemporaryDirectory() as folder:
            file = str(Path(folder) / "tokens.json")
            with worker(peer, world, file) as victim:
                victim.do(start=world.sign_in(left=-2).to_dict())
                crash(victim, world)
            served, seconds = restart(peer, world, file)
            figures |= {"served_strict": served} if strict else {"served": served, "ms": seconds * 1e3}
    with opened(control, grace=GRACE, latency=0) as world, TemporaryDirectory() as folder:
        file = str(Path(folder) / "tokens.json")
        with worker(peer, world, file) as victim, worker(peer, world, file) as sibling:
            victim.do(start=world.sign_in(left=-2).to_dict())
            sibling.do(start=None)
            crash(victim, world)
            errors, until = 0, time.monotonic() + GRACE + 1
            while time.monotonic() < until:
                errors += sibling.do(ask=1)["errors"]
                time.sleep(_EVERY)
            figures |= {"sibling_errors": errors, "served_late": restart(peer, world, file)[0]}
    return figures


def crash(victim: Worker, world: World) -> None:
    """Kill a process while it waits for the answer to a renewal."""
    world.inject("latency", seconds=_HELD)
    victim.send(ask=1)
    world.until_spent()
    victim.kill()
    world.clear_faults()


def restart(peer: str, world: World, file: str) -> tuple[bool, float]:
    """Start the process again, and return whether it gets a token, and after how many seconds."""
    with worker(peer, world, file) as process:
        process.do(start=None)
        begun = time.perf_counter()
        for _ in range(_ATTEMPTS):
            if process.do(ask=1)["errors"] == 0:
                return True, time.perf_counter() - begun
            time.sleep(_EVERY)
        return False, time.perf_counter() - begun
