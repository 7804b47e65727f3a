"""The judge of one history: receives events and passes them to the checks."""

from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.telemetry.events import ROUTINE, Event, EventKind
from tests.simulation.checks.caller_checks import CallerChecks
from tests.simulation.checks.evidence import Evidence
from tests.simulation.checks.limits import CLOSING, DEADLINE, MOMENT
from tests.simulation.checks.record_checks import RecordChecks
from tests.simulation.checks.request_checks import RequestChecks
from tests.simulation.checks.sign_in_checks import SignInChecks
from tests.simulation.process import Process
from tests.simulation.world import World

_NOT_TOLD = ROUTINE | {EventKind.ADOPTED}


class Judge:
    """The evidence of one history and the checks on it."""

    def __init__(self, world: World) -> None:
        """Begin before the first event."""
        self._world = world
        self.evidence = Evidence(world)
        self.records = RecordChecks(self.evidence)
        self.requests = RequestChecks(self.evidence)
        self.sign_ins = SignInChecks(self.evidence)
        self.callers = CallerChecks(self.evidence, self.sign_ins)

    def heard(self, process: Process, event: Event) -> None:
        """Record an event that a process reports."""
        self._world.journal.counts[f"event: {event.kind.value}"] += 1
        if event.kind is EventKind.SAVE_FAILED:
            self.evidence.access_tokens.save_failed(process)
        elif event.kind is EventKind.STORE_FAILED:
            self.evidence.requests.without_store.add(process)
        elif event.kind is EventKind.REPEATED:
            self.evidence.requests.announced_repeats.add(process)
        elif event.kind is EventKind.LOGIN_REQUIRED:
            self.callers.forget_token(process)
        if event.kind not in _NOT_TOLD:
            self._world.journal.tell(f"{process.name}: {event.kind.value}. {event.detail}")

    def closed(self, process: Process, lasted: float) -> None:
        """R4: closing waits for the running renewal, but not longer than its limit."""
        self._world.journal.counts["closed"] += 1
        if lasted > CLOSING + MOMENT:
            self.evidence.breaks(f"R4: closing {process.name} took {lasted:.1f} s.")

    def rolled_back(self) -> None:
        """Record that the store has lost all its data or the newest of it."""
        self._world.journal.counts["store rolled back"] += 1
        self.evidence.requests.roll_back()
        self.evidence.stored.roll_back()

    def check_outcome(self, outcome: Token | BitbucketAuthError | None) -> None:
        """Judge the answer to a caller after all faults have ended; None: it still waits."""
        if outcome is None:
            self.evidence.breaks("R7: after all faults have ended, a caller still gets no answer.")
        elif isinstance(outcome, LoginRequiredError):
            self.sign_ins.login_required(self._world.now() - DEADLINE, outcome)
        elif isinstance(outcome, BitbucketAuthError):
            self.evidence.breaks(f"R7: after all faults have ended, a caller gets {outcome!r}.")
        elif outcome.refresh_token is None and not self._world.rules.app:
            self._world.journal.counts["caller: a rejected token that cannot be renewed"] += 1
        elif not self.evidence.server.accepts(outcome.access_token):
            self.evidence.breaks("R5: after all faults have ended, a caller gets an invalid token.")

    def check_end(self) -> None:
        """R2: each token that a living process received was saved; R7: no caller still waits."""
        for request in self.evidence.requests.all:
            standing = self.evidence.stored.current
            current = standing is not None and request.generation == standing.generation
            excused = request.at <= self.evidence.stored.rolled_back_at
            excused = excused or self._world.now() - request.answered_at < DEADLINE
            if request.access is None or request.refresh is None or excused:
                continue
            unsaved = request.access not in self.evidence.stored.access_stored_at
            if current and request.process.is_serving and unsaved:
                self.evidence.breaks(
                    f"R2: {request.process.name} never saved the token of its request at {request.at:.1f} s."
                )
        self.callers.check_open()
