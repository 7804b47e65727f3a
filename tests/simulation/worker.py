"""A worker: the token manager of one process, and the callers that use it."""

import asyncio
import random
from collections.abc import Callable

from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.runtime.clocks import sleep
from tests.simulation.checks.judge import Judge
from tests.simulation.process import Process
from tests.simulation.server_connection import ServerConnection
from tests.simulation.store_connection import StoreConnection
from tests.simulation.world import KEY, World

CALLERS = 2


class Worker:
    """One manager with its callers in one process."""

    def __init__(
        self, world: World, judge: Judge, process: Process, *, on_login_required: Callable[[Process], None]
    ) -> None:
        """Start the callers."""
        self._world = world
        self._judge = judge
        self._on_login_required = on_login_required
        self.process = process
        self.store = StoreConnection(world, judge, process)
        self.server = ServerConnection(world, judge, process)
        self.manager = TokenManager(
            world.fake.client,
            grant=ClientCredentials() if world.rules.app else None,
            store=self.store,
            transport=self.server,
            server=world.server,
            clock=process,
            key=KEY,
            keep_fresh=world.rules.keep_fresh and process.number == 0,
            on_event=lambda event: judge.heard(process, event),
        )
        self._callers: list[asyncio.Task[None]] = []
        self._start_callers()

    def cancel_callers(self) -> None:
        """Cancel all callers, wherever they wait, and start new ones."""
        for caller in self._callers:
            caller.cancel()
        self._start_callers()

    async def close(self) -> None:
        """Close the manager, as a program does at its end."""
        process = self.process
        for caller in self._callers:
            caller.cancel()
        began, paused_for = self._world.now(), process.paused_for
        process.closing_since = began
        await self.manager.aclose()
        self._judge.closed(process, self._world.now() - began - (process.paused_for - paused_for))

    def _start_callers(self) -> None:
        seeds = [f"{self.process.name}/{self.process.rng.random()}" for _ in range(CALLERS)]
        self._callers = [self._world.start(self._call(random.Random(seed))) for seed in seeds]  # noqa: S311 - drawn again

    async def _call(self, rng: random.Random) -> None:
        """Ask for a token again and again, and report a refused one, sometimes late."""
        while True:
            await sleep(self._world.clock, rng.uniform(1, 25))
            await self.process.until_running()
            token = await self.ask()
            if token is not None and not self._world.fake.is_live(token.access_token):
                await sleep(self._world.clock, rng.choice((0, 0, 2)))
                await self.process.until_running()
                await self.ask(rejected=token)

    async def ask(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token | None:
        """Ask the manager as a caller does, and let the answer be judged."""
        if self.process.closing_since is not None:
            return None
        checks = self._judge.callers
        call = checks.asked(self.process, rejected)
        try:
            token = await self.manager.get_token(rejected, still_accepted)
        except BitbucketAuthError as error:
            checks.failed(call, error)
            if isinstance(error, LoginRequiredError) and self.process.closing_since is None:
                self._on_login_required(self.process)
            return None
        except asyncio.CancelledError:
            checks.left(call)
            raise
        checks.handed(call, token)
        return token

    async def reject(self, *, still_accepted: bool) -> None:
        """Report the present token as refused by the API, although it may be valid."""
        await self.process.until_running()
        token = await self.ask()
        if token is not None:
            await self.ask(rejected=token, still_accepted=still_accepted)
