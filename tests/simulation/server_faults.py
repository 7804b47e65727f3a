"""Faults of the token endpoint, and tokens that end at the server."""

from collections.abc import Callable

from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake.faults import Fault
from bitbucket_auth_async.testing.fake.request_log import RequestInfo
from tests.simulation.checks.judge import Judge
from tests.simulation.history import Step
from tests.simulation.world import World

_WRONG_SECRET = b'{"error": "invalid_client", "error_description": "Invalid OAuth client credentials"}'
_REFUSED = b'{"error": "invalid_grant", "error_description": "No."}'
_ENDPOINT: dict[str, Callable[[], Fault]] = {
    "unavailable": lambda: faults.status(503),
    "rate_limited": lambda: faults.status(429, retry_after=20),
    "lose_request": lambda: faults.reset(processed=False),
    "lose_answer": lambda: faults.reset(processed=True),
    "truncate_answer": faults.truncated,
    "unreachable": faults.unreachable,
    "html_answer": faults.html,
    "wrong_secret": lambda: faults.status(401, body=_WRONG_SECRET),
    "refuse_grant": lambda: faults.status(400, body=_REFUSED),
}


class ServerFaults:
    """Carries out the steps that concern the server."""

    def __init__(self, world: World, judge: Judge) -> None:
        """Tell *judge* of each sign-in that ends."""
        self._world = world
        self._judge = judge

    def begin(self, step: Step) -> None:
        """Carry out a step."""
        if step.name in _ENDPOINT:
            self._fail(step)
        elif step.name in {"slow_answer", "slow_request"}:
            self._delay(step)
        elif step.name == "expire_access_tokens":
            self._world.fake.expire_access_tokens()
        else:
            self._end_sign_in(step)

    def _fail(self, step: Step) -> None:
        """Let the next request fail, or each request within the step's seconds."""
        when: Callable[[RequestInfo], bool] | None = None
        if step.name == "refuse_grant":
            when = _is_client_credentials
        fault = self._world.fake.inject(_ENDPOINT[step.name](), times=None if step.seconds else 1, when=when)
        if step.seconds:
            self._world.clock.call_later(step.seconds, fault.remove)
            self._world.add_fault(None, step.seconds)

    def _delay(self, step: Step) -> None:
        """Delay the next two requests on their way to the server, or their answers on the way back."""
        fault = faults.latency(step.seconds, late=step.name == "slow_request")
        self._world.delaying_faults.update((fault.name,) if fault.late else ())
        self._world.fake.inject(fault, times=2)
        self._world.add_fault(None, step.seconds)

    def _end_sign_in(self, step: Step) -> None:
        """Revoke all sign-ins at the server, or the present refresh token alone."""
        record = self._judge.evidence.stored.current
        token = None if record is None else record.token
        family = None if token is None else self._judge.evidence.server.family(token)
        if family is not None and step.name == "revoke_sign_ins":
            for each in self._world.fake.families:
                self._judge.sign_ins.ended(each)
            self._world.fake.revoke()
        elif token is not None and token.refresh_token is not None:
            self._judge.sign_ins.ended(family)
            self._world.fake.kill_refresh_token(token.refresh_token)


def _is_client_credentials(call: RequestInfo) -> bool:
    return call.grant_type == "client_credentials"
