"""The judge: holds what callers get against R2, R5, R6, R7 and R8, and keeps what broke."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, LoginRequiredError, OAuthError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.telemetry.events import Event, EventKind
from tests.simulation.losses import Losses
from tests.simulation.records import Records
from tests.simulation.spends import MOMENT, Spend, Spends, name_of
from tests.simulation.truth import Truth

if TYPE_CHECKING:
    from tests.simulation.fleet import Fleet
    from tests.simulation.process import Process

DEADLINE = 90.0
"""How long a caller waits at the most, and an error is shared, as promised, whatever the code has."""
CLOSING = 36.0
_RECENT = 3
_STALE = 12.0
"""Seconds for which what was read from the store may be on its way, and then be shared."""


@dataclass(slots=True, eq=False)
class Question:
    """One call of `get_token`."""

    process: "Process"
    at: float
    stopped: float
    rejected: Token | None
    held: Token | None
    """What the process handed out last, and had no reason to doubt."""


class Judge:
    """Watches one fleet."""

    def __init__(self, fleet: "Fleet") -> None:
        """Begin with a clean slate."""
        self.fleet = fleet
        self.server = Truth(fleet.fake)
        self.broken: list[str] = []
        self.counts: Counter[str] = Counter()
        self.over = False
        """The history has been lived, and what happens as the fleet is taken down is not judged."""
        self.stepped = False
        """A clock was stepped, so that hosts differ by more than the leeway."""
        self.records = Records(self)
        self.spends = Spends(self)
        self.losses = Losses(self)
        self.without_store: set[Process] = set()
        """Processes that said that they will do without it."""
        self.repeating: set[Process] = set()
        """Processes that said that they present a token again."""
        self.rejected: set[str] = set()
        """Access tokens that somebody was refused with."""
        self._good_until: dict[str, tuple[float, Process | None, float]] = {}
        self._recent: dict[Process, list[str]] = {}
        self._unsaved: set[tuple[Process, str]] = set()
        self._held: dict[Process, tuple[Token, float]] = {}
        self._signing: Counter[Process] = Counter()
        self._questions: set[Question] = set()

    def now(self) -> float:
        """Return the seconds since the fleet began."""
        return self.fleet.now()

    def breaks(self, what: str) -> None:
        """Note a broken promise."""
        if not self.over:
            line = f"{self.now():7.1f} s  {what}"
            self.broken.append(line)
            self.fleet.tell(f"BROKEN: {what}")

    def heard(self, process: "Process", event: Event) -> None:
        """Take note of what a process says of itself."""
        self.counts[f"event: {event.kind.value}"] += 1
        if event.kind is EventKind.SAVE_FAILED:
            self._unsaved.update((process, access) for access in self._recent.get(process, ()))
        elif event.kind is EventKind.STORE_FAILED:
            self.without_store.add(process)
        elif event.kind is EventKind.REPEATED:
            self.repeating.add(process)
        elif event.kind is EventKind.LOGIN_REQUIRED:
            self._held.pop(process, None)

    def issued(self, process: "Process", token: Token) -> None:
        """Take note of a token that a process brings from a sign-in."""
        self._good_until[token.access_token] = (self.now() + (token.lifetime or 0.0), None, 0.0)
        self._remember(process, token.access_token)

    def signing(self, process: "Process", change: int) -> None:
        """Take note that somebody begins (+1) or ends (-1) to sign in or out: what a process has in hand ends."""
        self._signing[process] += change
        self._held.pop(process, None)

    def received(self, spend: Spend, access: str) -> None:
        """Take note of a token that came as an answer: its life counts from when it was asked for."""
        offset = self.fleet.offsets[spend.process.number]
        self._good_until[access] = (spend.began + self.fleet.setting.lifetime, spend.process, offset)
        self._remember(spend.process, access)
        if spend.without_store or spend.grant_type == "authorization_code":
            self._unsaved.add((spend.process, access))

    def good_for(self, access: str) -> float:
        """Return how many seconds a token is to be handed out yet, less its leeway."""
        if access not in self._good_until:
            return 0.0
        return self._good_until[access][0] - min(30.0, self.fleet.setting.lifetime / 10) - self.now()

    def asked(self, process: "Process", rejected: Token | None) -> Question:
        """A caller asks."""
        token, since = self._held.get(process, (None, 0.0))
        doubtful = (
            token is None
            or self._signing[process] > 0
            or since < self.records.generation_since
            or self.records.is_of_another_sign_in(token)
            or self.good_for(token.access_token) < 1
        )
        held = None if doubtful or token is None or token.access_token in self.rejected or self.stepped else token
        if rejected is not None:
            self.rejected.add(rejected.access_token)
        question = Question(process, self.now(), process.stopped_for, rejected, None if rejected else held)
        self._questions.add(question)
        return question

    def left(self, question: Question) -> None:
        """A caller is gone before there was an answer."""
        self._questions.discard(question)

    def handed(self, question: Question, token: Token) -> None:
        """R2, R5, R6 and R7, at each token that a caller gets."""
        process, access = question.process, token.access_token
        self.counts["caller: token"] += 1
        lasted = self._lasted(question)
        if question.held is not None and lasted > MOMENT:
            self.breaks(f"R6: {process.name} had a good token, and its caller waited {lasted:.1f} s.")
        if access not in self.records.stored and (process, access) not in self._unsaved:
            self.breaks(f"R2: {process.name} hands out {name_of(access)}, which no store holds.")
        self._expired(process, access)
        if token.access_token not in self.rejected:
            self._held[process] = (token, question.at)

    def _expired(self, process: "Process", access: str) -> None:
        if access not in self._good_until:
            return
        until, asker, offset = self._good_until[access]
        # What its own process asked for counts on the boot clock; between hosts the wall clocks' difference shows.
        own = asker is process and access == self._recent[process][-1]
        own = own and until - self.fleet.setting.lifetime > self.losses.amnesty
        skew = 0.0 if own else max(0.0, offset - self.fleet.lowest_offsets[process.number])
        late = -self.good_for(access) - skew
        if late > MOMENT:
            self.breaks(f"R5: {process.name} hands out a token {late:.1f} s after the leeway before its expiry.")

    def failed(self, question: Question, error: BitbucketAuthError) -> None:
        """R6, R7 and R8, at each error that a caller gets."""
        process = question.process
        if process.closing_since is not None:
            self.left(question)
            return
        self.counts[f"caller: {type(error).__name__}"] += 1
        self._lasted(question)
        lawful = isinstance(error, OAuthError) or not isinstance(error, ConfigurationError)
        if not lawful:
            self.breaks(f"R7: {process.name} is told {error!r}.")
        if isinstance(error, LoginRequiredError):
            self._held.pop(process, None)
            # What it knows may be from before it stood still.
            stood_still = self.now() - process.resumed_at < _STALE
            asked_at = min(question.at, process.stopped_at) if stood_still else question.at
            self.losses.login_required(asked_at, error)
            self.fleet.call_the_person(process)
        elif question.held is not None:
            self.breaks(f"R7: {process.name} had a good token, and its caller got {error!r}.")

    def _lasted(self, question: Question) -> float:
        self._questions.discard(question)
        process = question.process
        lasted = self.now() - question.at - (process.stopped_for - question.stopped)
        if lasted > DEADLINE + MOMENT:
            self.breaks(f"R7: a caller of {process.name} waited {lasted:.1f} s.")
        return lasted

    def closed(self, process: "Process", lasted: float) -> None:
        """R4: closing waits, with a bound, for what is under way, and leaves nothing behind that the store took."""
        self.counts["closed"] += 1
        if lasted > CLOSING + MOMENT:
            self.breaks(f"R4: closing {process.name} took {lasted:.1f} s.")

    def at_the_end(self, outcome: Token | BitbucketAuthError | None) -> None:
        """With all mended, whoever asks gets a token that is good, and nothing that was received is missing."""
        if outcome is None:
            self.breaks("R7: with all mended, a caller waits for ever.")
        elif isinstance(outcome, LoginRequiredError):
            self.losses.login_required(self.now() - DEADLINE, outcome)
        elif isinstance(outcome, BitbucketAuthError):
            self.breaks(f"R7: with all mended, a caller gets {outcome!r}.")
        elif outcome.refresh_token is None and not self.fleet.setting.app:
            self.counts["caller: a refused token, which nothing can renew"] += 1
        elif not self.server.is_live(outcome.access_token):
            self.breaks("R5: with all mended, the token handed out is not good.")

    def nothing_is_missing(self) -> None:
        """R2: what a living process received is in the store; R7: nobody has been waiting for ever."""
        record = self.records.current
        for spend in self.spends.all:
            alive = not spend.process.dead and spend.process.closing_since is None
            standing = record is not None and spend.generation == record.generation
            forgotten = spend.at <= self.losses.amnesty or self.now() - spend.answered_at < DEADLINE
            if spend.access is None or spend.refresh is None or not alive or not standing or forgotten:
                continue
            if spend.access not in self.records.stored:
                self.breaks(f"R2: what {spend.process.name} received at {spend.at:.1f} s was never saved.")
        for question in self._questions:
            waited = self.now() - question.at - (question.process.stopped_for - question.stopped)
            if not question.process.dead and question.process.closing_since is None and waited > DEADLINE:
                self.breaks(f"R7: a caller of {question.process.name} has been waiting since {question.at:.1f} s.")

    def forget(self) -> None:
        """Take note that the store lost its memory."""
        self.counts["the store loses its memory"] += 1
        self.spends.forget()
        self.records.forget()
        self.losses.amnesty = self.now()

    def _remember(self, process: "Process", access: str) -> None:
        self._recent[process] = [*self._recent.get(process, ()), access][-_RECENT:]
