"""Checks what callers of `get_token` get against R2, R5, R6, R7 and R8."""

from collections import Counter
from dataclasses import dataclass

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, LoginRequiredError, OAuthError
from bitbucket_auth_async.oauth2.tokens import Token
from tests.simulation.checks.evidence import Evidence
from tests.simulation.checks.limits import DEADLINE, MOMENT, SHARED_READ
from tests.simulation.checks.server_state import name_of
from tests.simulation.checks.sign_in_checks import SignInChecks
from tests.simulation.process import Process


@dataclass(slots=True, eq=False)
class Call:
    """One call of `get_token`."""

    process: Process
    at: float
    paused_for: float
    valid: Token | None
    """The token that the process handed out last, if it is surely still valid; then the caller must not wait."""


class CallerChecks:
    """Judges the calls of one history."""

    def __init__(self, evidence: Evidence, sign_ins: SignInChecks) -> None:
        """Begin before the first call."""
        self._evidence = evidence
        self._world = evidence.world
        self._sign_ins = sign_ins
        self._handed_out: dict[Process, tuple[Token, float]] = {}
        self._signing: Counter[Process] = Counter()
        self._open: set[Call] = set()

    def signing(self, process: Process, change: int) -> None:
        """Record that a sign-in or sign-out begins (+1) or ends (-1): the process's earlier token no longer counts."""
        self._signing[process] += change
        self.forget_token(process)

    def forget_token(self, process: Process) -> None:
        """The process may no longer have the token that it handed out last."""
        self._handed_out.pop(process, None)

    def asked(self, process: Process, rejected: Token | None) -> Call:
        """Record that a caller asks."""
        valid = self._valid(process)
        if rejected is not None:
            self._evidence.access_tokens.rejected.add(rejected.access_token)
            valid = None
        call = Call(process, self._world.now(), process.paused_for, valid)
        self._open.add(call)
        return call

    def _valid(self, process: Process) -> Token | None:
        token, since = self._handed_out.get(process, (None, 0.0))
        tokens = self._evidence.access_tokens
        doubtful = (
            token is None
            or self._signing[process] > 0
            or since < self._evidence.stored.generation_since
            or self._evidence.stored.is_of_another_sign_in(token)
            or tokens.seconds_left(token.access_token) < 1
            or token.access_token in tokens.rejected
            or self._world.wall_clocks.stepped
        )
        return None if doubtful else token

    def left(self, call: Call) -> None:
        """Record that a caller is gone before the answer."""
        self._open.discard(call)

    def handed(self, call: Call, token: Token) -> None:
        """R2, R5, R6, R7: judge a token that a caller gets."""
        process, access = call.process, token.access_token
        tokens = self._evidence.access_tokens
        self._world.journal.counts["caller: token"] += 1
        lasted = self._close(call)
        if call.valid is not None and lasted > MOMENT:
            self._evidence.breaks(f"R6: {process.name} had a valid token, but its caller waited {lasted:.1f} s.")
        if access not in self._evidence.stored.access_stored_at and not tokens.may_be_unsaved(process, access):
            self._evidence.breaks(f"R2: {process.name} hands out {name_of(access)}, which was never saved.")
        late = tokens.seconds_late(process, access, self._evidence.stored.rolled_back_at)
        if late > MOMENT:
            self._evidence.breaks(
                f"R5: {process.name} hands out a token {late:.1f} s too late: after its expiry minus the leeway."
            )
        if access not in tokens.rejected:
            self._handed_out[process] = (token, call.at)

    def failed(self, call: Call, error: BitbucketAuthError) -> None:
        """R6, R7, R8: judge an error that a caller gets."""
        process = call.process
        if process.closing_since is not None:
            self.left(call)
            return
        self._world.journal.counts[f"caller: {type(error).__name__}"] += 1
        self._close(call)
        if isinstance(error, ConfigurationError) and not isinstance(error, OAuthError):
            self._evidence.breaks(f"R7: a caller of {process.name} gets {error!r}.")
        if isinstance(error, LoginRequiredError):
            self.forget_token(process)
            # Its knowledge may be from before its pause.
            was_paused = self._world.now() - process.resumed_at < SHARED_READ
            asked_at = min(call.at, process.paused_at) if was_paused else call.at
            self._sign_ins.login_required(asked_at, error)
        elif call.valid is not None:
            self._evidence.breaks(f"R7: {process.name} had a valid token, but its caller got {error!r}.")

    def _close(self, call: Call) -> float:
        self._open.discard(call)
        lasted = self._waited(call)
        if lasted > DEADLINE + MOMENT:
            self._evidence.breaks(f"R7: a caller of {call.process.name} waited {lasted:.1f} s.")
        return lasted

    def _waited(self, call: Call) -> float:
        """Return for how many seconds of its process's running time a caller has waited."""
        return self._world.now() - call.at - (call.process.paused_for - call.paused_for)

    def check_open(self) -> None:
        """R7: no caller still waits after its deadline."""
        for call in self._open:
            if call.process.is_serving and self._waited(call) > DEADLINE:
                self._evidence.breaks(f"R7: a caller of {call.process.name} has been waiting since {call.at:.1f} s.")
