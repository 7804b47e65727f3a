"""Misfortunes: what each step of a history does to the fleet."""

from functools import partial
from typing import TYPE_CHECKING

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake import faults
from tests.simulation.process import KEY, Fate, Process
from tests.simulation.signing import sign_in
from tests.simulation.stranger import Stranger

if TYPE_CHECKING:
    from collections.abc import Callable

    from bitbucket_auth_async.testing.fake.faults import Fault
    from bitbucket_auth_async.testing.fake.request_log import RequestInfo
    from tests.simulation.fleet import Fleet
    from tests.simulation.history import Step

_WRONG_SECRET = b'{"error": "invalid_client", "error_description": "Invalid OAuth client credentials"}'
_REFUSED = b'{"error": "invalid_grant", "error_description": "No."}'
_ENDPOINT: dict[str, "Callable[[], Fault]"] = {
    "unavailable": lambda: faults.status(503),
    "rate_limited": lambda: faults.status(429, retry_after=20),
    "lose_request": lambda: faults.reset(processed=False),
    "lose_answer": lambda: faults.reset(processed=True),
    "cut_answer": faults.truncated,
    "unreachable": faults.unreachable,
    "html": faults.html,
    "wrong_secret": lambda: faults.status(401, body=_WRONG_SECRET),
    "refuse_grant": lambda: faults.status(400, body=_REFUSED),
}
_POINTS = {
    "pause_before_sending": "request leaving",
    "pause_before_saving": "save asked",
    "pause_before_saving_unconfirmed": "save asked",
    "reject_and_crash": "answer arriving",
}


class Misfortunes:
    """What befalls one fleet."""

    def __init__(self, fleet: "Fleet") -> None:
        """Begin with none."""
        self._fleet = fleet
        self._while_asking: list[Step] = []
        self.late: set[str] = set()
        """Names of the faults that hold a request back on its way to the server."""

    async def befall(self, step: "Step") -> None:
        """Do what *step* says."""
        process = None if step.process is None else self._fleet.processes[step.process]
        if step.what in _ENDPOINT:
            self._endpoint(step)
        elif process is not None:
            self._one(step, process)
        elif step.what == "store_down_for_all":
            for each in self._fleet.processes:
                self._store(step, each)
        elif step.what in {"forget_record", "restore_record"}:
            self._while_asking.append(step)
        elif step.what in {"slow_answer", "slow_request"}:
            fault = faults.latency(step.seconds, late=step.what == "slow_request")
            self.late.update((fault.name,) if fault.late else ())
            self._fleet.fake.inject(fault, times=2)
            self._bad(None, step.seconds)
        else:
            await self._server(step)

    def _endpoint(self, step: "Step") -> None:
        """The next request meets it, or each one that comes within the step's seconds."""
        when: Callable[[RequestInfo], bool] | None = None
        if step.what == "refuse_grant":
            when = _is_grant
        fault = self._fleet.fake.inject(_ENDPOINT[step.what](), times=None if step.seconds else 1, when=when)
        if step.seconds:
            self._fleet.clock.call_later(step.seconds, fault.remove)
            self._bad(None, step.seconds)

    def _one(self, step: "Step", process: Process) -> None:
        if step.count:
            process.fates.append(Fate(step, step.count))
        elif step.what in _POINTS:
            process.fates.append(Fate(step, point=_POINTS[step.what]))
            if step.what.startswith("reject"):
                _ = process.begin(process.reject(still_accepted=False))
        elif step.what.startswith("sign_"):
            self.sign_in(process, step.what)
        elif step.what in {"step_clock", "drift_clock"}:
            self._step_clock(process.number, step.seconds)
        elif step.what in {"store_down", "store_slow"}:
            self._store(step, process)
        else:
            self.strike(process, step)

    def strike(self, process: Process, step: "Step") -> None:
        """Do to one process, now, what *step* says."""
        what = step.what.removesuffix("_at_wait").removeprefix("reject_and_")
        shelf = process.shelf
        if what == "crash":
            self._kill(process, step.seconds)
        elif what.startswith("pause"):
            shelf.confirmations_to_lose += what.endswith("unconfirmed")
            process.pause()
            self._bad(process.number, step.seconds)
            self._fleet.clock.call_later(step.seconds, process.resume)
        elif what == "restart":
            self._bad(process.number, step.seconds)
            _ = process.begin(self._close(process, step.seconds))
        elif what == "cancel_callers":
            process.cancel_callers()
        elif what.startswith("reject"):
            _ = process.begin(process.reject(still_accepted=what != "reject"))
        elif what == "leave_loop":
            process.line.teardowns += 1
        elif what == "lose_swap":
            shelf.swaps_to_lose += 1
        elif what == "delay_swap":
            shelf.swaps_to_delay.append(step.seconds)
        else:
            shelf.confirmations_to_lose += 1

    def _kill(self, process: Process, seconds: float) -> None:
        process.kill()
        self._bad(process.number, seconds)
        self._fleet.clock.call_later(seconds, partial(self._fleet.restart, process))

    async def _close(self, process: Process, seconds: float) -> None:
        await process.close()
        self._kill(process, seconds)

    def _store(self, step: "Step", process: Process) -> None:
        name = "slow" if step.what == "store_slow" else "down"
        self._bad(process.number, step.seconds)

        def add(count: int) -> None:
            setattr(process.shelf, name, max(0, getattr(process.shelf, name) + count))

        add(1)
        self._fleet.clock.call_later(step.seconds, partial(add, -1))

    def _step_clock(self, number: int, seconds: float) -> None:
        fleet = self._fleet
        fleet.judge.stepped = True
        fleet.offsets[number] += seconds
        fleet.lowest_offsets[number] = min(fleet.lowest_offsets[number], fleet.offsets[number])

    async def _server(self, step: "Step") -> None:
        fleet, record = self._fleet, self._fleet.judge.records.current
        token = None if record is None else record.token
        family = None if token is None else fleet.judge.server.family(token)
        if step.what == "expire_access_tokens":
            fleet.fake.expire_access_tokens()
        elif step.what.startswith("stranger"):
            _ = fleet.begin(Stranger(fleet, without_store=step.what != "stranger").call())
        elif family is not None and step.what == "revoke":
            for each in fleet.fake.families:
                fleet.judge.losses.end(each)
            fleet.fake.revoke()
        elif token is not None and token.refresh_token is not None:
            fleet.judge.losses.end(family)
            fleet.fake.kill_refresh_token(token.refresh_token)

    async def meanwhile(self) -> None:
        """While a request is under way: let the store lose its memory, if it is time."""
        steps, self._while_asking = self._while_asking, []
        for step in steps:
            self._fleet.tell(step.what.replace("_", " "))
            self._fleet.judge.forget()
            if step.what == "forget_record":
                self._fleet.records = MemoryStore()
                self._fleet.judge.records.put(None)
            else:
                await self._restore(step.seconds)

    async def _restore(self, seconds: float) -> None:
        fleet = self._fleet
        past = [record for at, record in fleet.judge.records.past if at <= fleet.now() - seconds]
        found = await fleet.records.load(KEY)
        if past:
            await fleet.records.swap(KEY, past[-1], expected=0 if found is None else found.version)
            fleet.judge.records.put(past[-1])

    def sign_in(self, process: Process, what: str) -> None:
        """Let somebody sign in, or out, at one process."""
        _ = process.begin(self._sign(process, what))

    async def _sign(self, process: Process, what: str) -> None:
        self._fleet.judge.signing(process, 1)
        try:
            await sign_in(self._fleet, process, what)
        except BitbucketAuthError as error:
            self._fleet.judge.counts[f"sign-in or sign-out: {type(error).__name__}"] += 1
        finally:
            self._fleet.judge.signing(process, -1)

    def mend(self, process: Process) -> None:
        """Take everything from a process that is wrong with it."""
        shelf = process.shelf
        shelf.down = shelf.slow = shelf.swaps_to_lose = shelf.confirmations_to_lose = 0
        shelf.swaps_to_delay.clear()
        process.line.teardowns = 0
        process.fates.clear()
        self._while_asking.clear()
        process.resume()
        if process.dead:
            self._fleet.restart(process)

    def _bad(self, number: int | None, seconds: float) -> None:
        now = self._fleet.now()
        self._fleet.weather.bad(number, now, now + seconds)


def _is_grant(call: "RequestInfo") -> bool:
    return call.grant_type == "client_credentials"
