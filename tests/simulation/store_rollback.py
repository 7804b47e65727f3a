"""Rollbacks of the store: it loses its record, or a backup is restored, while a token request is under way."""

from bitbucket_auth_async.stores.memory import MemoryStore
from tests.simulation.checks.judge import Judge
from tests.simulation.world import KEY, World


async def roll_back_if_due(world: World, judge: Judge) -> None:
    """Carry out the pending rollbacks."""
    steps, world.pending_rollbacks = world.pending_rollbacks, []
    for step in steps:
        world.journal.tell(step.name.replace("_", " "))
        judge.rolled_back()
        if step.name == "lose_record":
            world.store = MemoryStore()
            judge.evidence.stored.put(None)
        else:
            await _restore(world, judge, step.seconds)


async def _restore(world: World, judge: Judge, seconds: float) -> None:
    """Put back the record of *seconds* ago."""
    stored = judge.evidence.stored
    past = [record for at, record in stored.past if at <= world.now() - seconds]
    found = await world.store.load(KEY)
    if past:
        await world.store.swap(KEY, past[-1], expected=0 if found is None else found.version)
        stored.put(past[-1])
