"""Checks each token request against R1, R2, R4 and R9."""

import json
from urllib.parse import parse_qs

from bitbucket_auth_async.oauth2.http_messages import Request, Response
from tests.simulation.checks.evidence import Evidence
from tests.simulation.checks.limits import LEASE, MOMENT, PATIENCE, SHORTEST_CLOSING
from tests.simulation.checks.server_state import fingerprint, name_of
from tests.simulation.checks.token_requests import TokenRequest
from tests.simulation.process import Process

_OK = 200


class RequestChecks:
    """Judges the token requests of one history."""

    def __init__(self, evidence: Evidence) -> None:
        """Add what is found to *evidence*."""
        self._evidence = evidence
        self._world = evidence.world
        self._requests = evidence.requests

    def sending(self, process: Process, message: Request, *, began: float, limit: float) -> TokenRequest:
        """R1, R2: a request has a claim in the store, and no other process may have a successor of its token."""
        request = self._read(process, message, began, limit)
        self._tell(f"{process.name} presents {request.name}")
        if any(other.process is process and not other.over for other in self._requests.all):
            self._evidence.breaks(f"R1: {process.name} sends two requests at once.")
        self._check_claim(request)
        if request.spent is not None:
            self._check_alone(request, request.spent)
            self._check_announced(request, request.spent)
            self._requests.presented.setdefault(request.spent, []).append(request)
        self._requests.all.append(request)
        return request

    def _read(self, process: Process, message: Request, began: float, limit: float) -> TokenRequest:
        fields = parse_qs(message.body.decode())
        secret = fields.get("refresh_token", [None])[0]
        now = self._world.now()
        claimed = self._evidence.stored.claims.pop(process, None)
        return TokenRequest(
            process=process,
            grant_type=fields["grant_type"][0],
            spent=None if secret is None else fingerprint(secret),
            name="its grant" if secret is None else name_of(secret),
            began=began,
            at=now,
            limit=limit,
            claim=None if claimed is None else claimed.claim,
            claimed_at=now if claimed is None else claimed.at,
            generation=-1 if claimed is None else claimed.generation,
            repeats=claimed is not None and claimed.repeats,
        )

    def _check_claim(self, request: TokenRequest) -> None:
        process = request.process
        if request.grant_type == "authorization_code":
            return
        if request.spent is None and process in self._requests.without_store:
            self._requests.without_store.discard(process)
            request.without_store = True
            return
        if request.claim is None or request.claim.spends != request.spent:
            self._evidence.breaks(f"R2: {process.name} presents {request.name} without a claim in the store.")

    def _check_alone(self, request: TokenRequest, spent: str) -> None:
        for earlier in self._requests.presented.get(spent, ()):
            self._world.journal.counts["presented again"] += 1
            if earlier.process is request.process or earlier.process.dead or self._is_done(earlier):
                continue
            in_time = request.at < earlier.began + earlier.limit
            under_way = not earlier.over and earlier.process.is_running and in_time
            if under_way or request.at - earlier.claimed_at < LEASE:
                sender = f"{request.process.name} presents {request.name}"
                self._evidence.breaks(f"R1: {sender}, but {earlier.process.name} may have received its successor.")

    def _is_done(self, earlier: TokenRequest) -> bool:
        if earlier.access is None:
            return earlier.over
        return not self._world.rules.rotates and earlier.access in self._evidence.stored.access_stored_at

    def _check_announced(self, request: TokenRequest, spent: str) -> None:
        """R1: a process reports that it presents a spent token again, if it can know."""
        announced = request.process in self._requests.announced_repeats
        self._requests.announced_repeats.discard(request.process)
        known = self._evidence.server.refresh(spent)
        if known is None or known.used_at is None or not self._world.rules.rotates:
            return
        rolled_back = self._world.since_start(known.used_at) <= self._evidence.stored.rolled_back_at
        if rolled_back or spent not in self._requests.presented:
            return
        self._world.journal.counts["second spend"] += 1
        if not announced and not request.repeats:
            self._world.journal.counts["second spend that no process could know of"] += 1
        elif not announced:
            self._evidence.breaks(
                f"R1: {request.process.name} presents {request.name} a second time without reporting it."
            )
        self._check_present_token(request)

    def _check_present_token(self, request: TokenRequest) -> None:
        """R9: a strict server is not shown a spent token while the present access token is valid."""
        record = self._evidence.stored.current
        if not self._world.rules.strict or record is None or record.token is None:
            return
        access = record.token.access_token
        valid = self._evidence.server.accepts(access) and self._evidence.access_tokens.seconds_left(access) > PATIENCE
        if valid and not self._world.wall_clocks.stepped and access not in self._evidence.access_tokens.rejected:
            self._evidence.breaks(f"R9: {request.name} is presented again while the present access token is valid.")

    def failed(self, request: TokenRequest) -> None:
        """No answer came, and the process knows it."""
        self._tell(f"{request.process.name} gets no answer")
        self._world.add_fault(None)
        self._give_up(request)

    def given_up(self, request: TokenRequest) -> None:
        """R4: a request is given up only at its time limit, at the limit of closing or when its loop is torn down."""
        process, now = request.process, self._world.now()
        lasted = now - request.began
        closing = process.closing_since is not None and now - process.closing_since >= SHORTEST_CLOSING
        if not request.torn_down and not closing and lasted < request.limit - MOMENT:
            self._evidence.breaks(f"R4: a request of {process.name} is interrupted after {lasted:.1f} s.")
        self._tell(f"{process.name} gives up its request")
        self._give_up(request)
        self._world.add_fault(None)

    def _give_up(self, request: TokenRequest) -> None:
        request.over = True
        self._requests.stragglers += [
            entry
            for entry in self._world.fake.log
            if entry.presented == request.spent and not entry.processed and entry.fault in self._world.delaying_faults
        ]

    def answered(self, request: TokenRequest, response: Response) -> None:
        """Record the answer that a living process received."""
        request.over = True
        request.answered_at = self._world.now()
        try:
            answer = json.loads(response.body)
            access, refresh = answer.get("access_token"), answer.get("refresh_token")
        except (ValueError, AttributeError):
            access = refresh = None
        if response.status != _OK or not isinstance(access, str) or not self._evidence.server.knows(access):
            self._refused(request, response)
            return
        request.access, request.refresh = access, refresh if isinstance(refresh, str) else None
        self._tell(f"{request.process.name} receives {name_of(access)}")
        self._evidence.access_tokens.received(request, access)

    def _refused(self, request: TokenRequest, response: Response) -> None:
        self._tell(f"{request.process.name} gets an answer with status {response.status} and no token")
        self._world.add_fault(None)
        timely = request.at > self._evidence.stored.rolled_back_at
        if timely and request.spent is not None and b"Invalid refresh_token" in response.body:
            self._requests.refused[request.spent] = request.process

    def _tell(self, what: str) -> None:
        self._world.journal.tell(what)
