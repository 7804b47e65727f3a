"""What happens when callers of several processes that share one sign-in find the token expired?"""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.scenario import Column, Figures, worker
from benchmarks.peers.world import World, opened

PROCESSES = 8
CALLERS = 25
TITLE = f"{PROCESSES} processes with {CALLERS} callers each at expiry"
WHAT = (
    "All processes start with the sign-in that an earlier run saved in a file: the library's own file if it has one, "
    "otherwise a file that the program writes as the library's documentation shows. Then all callers ask at once. A "
    "process continues if its next refresh token still works after the grace period."
)
COLUMNS = (
    Column("requests", "token requests (grace)"),
    Column("ms", "ms until all are served (grace)"),
    Column("go_on", "processes that continue (grace)", better="high"),
    Column("errors", "callers with an error (strict)"),
    Column("go_on_strict", "processes that continue (strict)", better="high"),
)
ROUNDS = 2


def conduct(peer: str, control: int) -> Figures:
    """Measure at a server of each kind."""
    with opened(control) as world:
        lenient = ask_together(peer, world)
    with opened(control, strict=True) as world:
        strict = ask_together(peer, world)
    return {**lenient, "errors": strict["errors"], "go_on_strict": strict["go_on"]}


def ask_together(peer: str, world: World) -> dict[str, float]:
    """Start all processes, let all callers ask at once, and check each process's refresh token."""
    with TemporaryDirectory() as folder, ExitStack() as exits:
        file = str(Path(folder) / "tokens.json")
        sign_in = world.sign_in(left=-2)
        first = exits.enter_context(worker(peer, world, file))
        first.do(start=sign_in.to_dict())
        first.do(close=True)
        workers = [exits.enter_context(worker(peer, world, file)) for _ in range(PROCESSES)]
        for each in workers:
            each.send(start=None)
        for each in workers:
            each.answer()
        for each in workers:
            each.send(ask=CALLERS)
        answers = [each.answer() for each in workers]
        return {
            "requests": world.requests()["requests"],
            "ms": max(answer["seconds"] for answer in answers) * 1e3,
            "errors": sum(answer["errors"] for answer in answers),
            "go_on": sum(world.survives(answer["refresh_token"]) for answer in answers),
        }
