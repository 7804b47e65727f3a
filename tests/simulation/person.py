"""The person who signs in and out at the processes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import parse_qs, urlsplit

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, RefreshToken
from tests.simulation.checks.judge import Judge
from tests.simulation.process import Process
from tests.simulation.worker import Worker
from tests.simulation.world import World


class Person:
    """Signs in and out in each way that the manager offers."""

    def __init__(self, world: World, judge: Judge, workers: Sequence[Worker]) -> None:
        """Use *workers*, a list in which a restart replaces its worker."""
        self._world = world
        self._judge = judge
        self._workers = workers
        self._is_coming = False

    def call(self, process: Process) -> None:
        """Ask for a new sign-in at a process; it takes a while, and one at a time is enough."""
        if self._is_coming or self._world.rules.app:
            return
        self._is_coming = True
        self._world.clock.call_later(self._world.rng.uniform(20, 200), partial(self._come, process.number))

    def _come(self, number: int) -> None:
        self._is_coming = False
        if not self._judge.evidence.stored.renewable:
            self._world.journal.tell("the person signs in again")
            self.start(self._workers[number], "sign_in")

    def start(self, worker: Worker, way: str) -> None:
        """Begin to sign in or out in the way that a step names."""
        _ = worker.process.start(self._sign(worker, way))

    async def _sign(self, worker: Worker, way: str) -> None:
        checks, process = self._judge.callers, worker.process
        checks.signing(process, 1)
        try:
            if process.closing_since is None:
                await self._sign_in_or_out(worker, way)
        except BitbucketAuthError as error:
            self._world.journal.counts[f"sign-in or sign-out: {type(error).__name__}"] += 1
        finally:
            checks.signing(process, -1)

    async def _sign_in_or_out(self, worker: Worker, way: str) -> None:
        if way == "sign_out":
            await worker.manager.logout()
        elif way == "sign_in_by_code":
            await worker.manager.exchange(AuthorizationCode(self._authorize()))
        elif way == "sign_in_by_refresh_token":
            token = self._world.fake.sign_in()
            brought = replace(token, access_token="", expires_at=token.issued_at)
            self._judge.evidence.access_tokens.brought(worker.process, brought)
            await worker.manager.exchange(RefreshToken(token.refresh_token or ""))
        else:
            token = self._world.fake.sign_in()
            if way == "sign_in_without_refresh_token":
                token = replace(token, refresh_token=None)
            self._judge.evidence.access_tokens.brought(worker.process, token)
            await worker.manager.adopt(token)

    def _authorize(self) -> str:
        asked = {"client_id": self._world.fake.client.client_id, "response_type": "code", "state": "s"}
        return parse_qs(urlsplit(self._world.fake.authorize(asked)).query)["code"][0]
