"""What is presented to the server, held against R1, R2, R4 and R9."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.renewal.record import Claim

if TYPE_CHECKING:
    from bitbucket_auth_async.testing.fake.request_log import LoggedRequest
    from tests.simulation.judge import Judge
    from tests.simulation.process import Process

MOMENT = 0.001
"""Seconds that are none: times are sums of floats."""
LEASE = 60.0
"""What the protocol promises, whatever the code has."""
_OK = 200
_CLOSING = 35.0
_PATIENCE = 35.0
"""Seconds of a present token that are left after its leeway and a slow answer."""


@dataclass(slots=True, eq=False)
class Spend:
    """One token request, as the process that sent it knows it."""

    process: "Process"
    grant_type: str
    spent: str | None
    """Fingerprint of the refresh token that is presented."""
    name: str
    began: float
    """When it was to be sent; its life and its time-out count from here."""
    at: float
    limit: float
    stopped: float
    claim: Claim | None
    claimed_at: float
    generation: int
    again: bool
    """The record said that somebody had claimed the same token before."""
    over: bool = False
    """Its process knows the answer, or that none will come."""
    answered_at: float = 0.0
    access: str | None = None
    """The access token that came."""
    refresh: str | None = None
    torn_down: bool = False
    without_store: bool = False
    """It is a grant that can be presented again, and the store did not answer."""


class Spends:
    """The requests of one fleet."""

    def __init__(self, judge: "Judge") -> None:
        """Begin with none."""
        self._judge = judge
        self._fleet = judge.fleet
        self.all: list[Spend] = []
        self.presented: dict[str, list[Spend]] = {}
        """By fingerprint of the refresh token, since the store last lost its memory."""
        self.stragglers: list[LoggedRequest] = []
        """Requests that nobody waits for any more, and that the server has not seen yet."""
        self.refused: dict[str, Process] = {}
        """Refresh tokens of which a process has heard that they are dead."""

    def sending(self, process: "Process", request: Request, *, began: float, limit: float) -> Spend:
        """R1 and R2: nobody else may have a successor of what is presented, and a claim to it is in the store."""
        fields = parse_qs(request.body.decode())
        secret = fields.get("refresh_token", [None])[0]
        now = self._judge.now()
        claimed = self._judge.records.claims.pop(process, None)
        spend = Spend(
            process=process,
            grant_type=fields["grant_type"][0],
            spent=None if secret is None else fingerprint(secret),
            name="its grant" if secret is None else name_of(secret),
            began=began,
            at=now,
            limit=limit,
            stopped=process.stopped_for,
            claim=None if claimed is None else claimed.claim,
            claimed_at=now if claimed is None else claimed.at,
            generation=-1 if claimed is None else claimed.generation,
            again=claimed is not None and claimed.again,
        )
        self._fleet.tell(f"{process.name} presents {spend.name}")
        if any(other.process is process and not other.over for other in self.all):
            self._judge.breaks(f"R1: {process.name} sends two requests at a time.")
        self._claimed(spend)
        if spend.spent is not None:
            self._alone(spend, spend.spent)
            self._reported(spend, spend.spent)
            self.presented.setdefault(spend.spent, []).append(spend)
        self.all.append(spend)
        return spend

    def _claimed(self, spend: Spend) -> None:
        process = spend.process
        if spend.grant_type == "authorization_code":
            return
        if spend.spent is None and process in self._judge.without_store:
            self._judge.without_store.discard(process)
            spend.without_store = True
            return
        if spend.claim is None or spend.claim.spends != spend.spent:
            self._judge.breaks(f"R2: {process.name} presents {spend.name} without a claim in the store.")

    def _alone(self, spend: Spend, spent: str) -> None:
        for earlier in self.presented.get(spent, ()):
            self._judge.counts["presented again"] += 1
            if earlier.process is spend.process or earlier.process.dead or self._is_done(earlier):
                continue
            under_way = (
                not earlier.over and earlier.process.resumed.is_set() and spend.at < earlier.began + earlier.limit
            )
            if under_way or spend.at - earlier.claimed_at < LEASE:
                who = f"{spend.process.name} presents {spend.name}"
                self._judge.breaks(f"R1: {who}, of which {earlier.process.name} may have a successor.")

    def _is_done(self, earlier: Spend) -> bool:
        if earlier.access is None:
            return earlier.over
        return not self._fleet.setting.rotates and earlier.access in self._judge.records.stored

    def _reported(self, spend: Spend, spent: str) -> None:
        reported = spend.process in self._judge.repeating
        self._judge.repeating.discard(spend.process)
        known = self._judge.server.refresh(spent)
        if known is None or known.used_at is None or not self._fleet.setting.rotates or spent not in self.presented:
            return
        if self._fleet.since_began(known.used_at) <= self._judge.losses.amnesty:
            return
        self._judge.counts["second spend"] += 1
        if not reported and not spend.again:
            self._judge.counts["second spend of which nobody could know"] += 1
        elif not reported:
            self._judge.breaks(f"R1: {spend.process.name} presents {spend.name} a second time, and does not say so.")
        record = self._judge.records.current
        if self._fleet.setting.strict and record is not None and record.token is not None:
            left = self._judge.good_for(record.token.access_token)
            served = self._judge.server.is_live(record.token.access_token) and left > _PATIENCE
            if served and not self._judge.stepped and record.token.access_token not in self._judge.rejected:
                self._judge.breaks(f"R9: {spend.name} is presented again while the present token is still good.")

    def failed(self, spend: Spend) -> None:
        """No answer came, and its process knows."""
        self._fleet.tell(f"{spend.process.name} gets no answer")
        self._fleet.weather.bad(None, self._judge.now(), self._judge.now())
        spend.over = True
        self._note_stragglers(spend)

    def given_up(self, spend: Spend, *, torn_down: bool) -> None:
        """R4: a request is given up when its time is over, when the loop is torn down, and else never."""
        spend.over = True
        process, now = spend.process, self._judge.now()
        lasted = now - spend.began
        closing = process.closing_since is not None and now - process.closing_since >= _CLOSING
        if not torn_down and not closing and lasted < spend.limit - MOMENT:
            self._judge.breaks(f"R4: a request of {process.name} is interrupted after {lasted:.1f} s.")
        self._fleet.tell(f"{process.name} gives its request up")
        self._note_stragglers(spend)
        self._fleet.weather.bad(None, now, now)

    def _note_stragglers(self, spend: Spend) -> None:
        self.stragglers += [
            entry
            for entry in self._fleet.fake.log
            if entry.presented == spend.spent and not entry.processed and entry.fault in self._fleet.misfortunes.late
        ]

    def answered(self, spend: Spend, response: Response) -> None:
        """Note what an answer brought to a process that is alive."""
        spend.over = True
        spend.answered_at = self._judge.now()
        try:
            answer = json.loads(response.body)
            access, refresh = answer.get("access_token"), answer.get("refresh_token")
        except (ValueError, AttributeError):
            access = refresh = None
        if response.status != _OK or not isinstance(access, str) or not self._judge.server.knows(access):
            self._failure(spend, response)
            return
        spend.access, spend.refresh = access, refresh if isinstance(refresh, str) else None
        self._fleet.tell(f"{spend.process.name} receives {name_of(access)}")
        self._judge.received(spend, access)

    def _failure(self, spend: Spend, response: Response) -> None:
        self._fleet.tell(f"{spend.process.name} gets an answer with status {response.status} and no token")
        self._fleet.weather.bad(None, self._judge.now(), self._judge.now())
        timely = spend.at > self._judge.losses.amnesty
        if timely and spend.spent is not None and b"Invalid refresh_token" in response.body:
            self.refused[spend.spent] = spend.process

    def forget(self) -> None:
        """Take note that the store lost its memory: what was presented before may be presented again."""
        self.presented.clear()
        self.refused.clear()


def name_of(secret: str) -> str:
    """Name a token of the fake in a story: `refresh-3`."""
    return secret.partition(".")[0].removeprefix("fake-") or "nothing"
