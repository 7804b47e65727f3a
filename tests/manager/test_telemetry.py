"""Events of a manager in the log and at the listener: each once, at its level, without secrets."""

import asyncio
import json
import logging
import traceback
from collections.abc import Iterator
from logging import INFO, WARNING
from typing import Any
from urllib.parse import parse_qs

import pytest

from bitbucket_auth_async import BitbucketAuthError, Client, ClientCredentials, Password, Token, TokenManager
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World

LOGGER = "bitbucket_auth_async"


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG, logger=LOGGER):
        yield


def told(caplog: pytest.LogCaptureFixture, least: int = INFO) -> list[tuple[int, str]]:
    """Return level and kind of each logged event."""
    return [
        (record.levelno, record.getMessage().split(": ")[1].split(".")[0])
        for record in caplog.records
        if record.name == LOGGER and record.levelno >= least
    ]


async def test_a_renewal_is_one_info_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    await manager.get_token()
    assert told(caplog) == [(INFO, "renewed")]
    assert world.event_kinds() == [EventKind.RENEWED]


async def test_an_outage_is_one_warning_and_its_end_one_info_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.unreachable(), times=None):
        for _ in range(5):
            with pytest.raises(BitbucketAuthError):
                await manager.get_token()
            await world.clock.advance(120)
    await manager.get_token()
    assert told(caplog) == [(WARNING, "outage_began"), (INFO, "outage_ended"), (INFO, "renewed")]
    assert world.event_kinds().count(EventKind.OUTAGE_GOES_ON) == 4


@pytest.mark.parametrize("durable", [False, True])
async def test_a_rotating_token_in_the_default_store_causes_one_warning(
    world: World,
    durable: bool,  # noqa: FBT001 - a parameter of the test
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = world.manager(**({} if durable else {"store": None}))
    await manager.adopt(world.fake.sign_in())
    for _ in range(3):
        await world.expire()
        await manager.get_token()
    assert told(caplog, WARNING) == ([] if durable else [(WARNING, "not_durable")])


async def test_a_replayable_grant_in_the_default_store_causes_no_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.manager(grant=ClientCredentials(), store=None).get_token()
    assert told(caplog, WARNING) == []


async def test_an_error_of_a_listener_is_logged_and_the_renewal_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError(event.kind)

    manager = world.manager(on_event=broken)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    assert world.fake.is_live((await manager.get_token()).access_token)
    assert any("listener" in record.getMessage() and record.exc_info for record in caplog.records)
    assert "renewed" in caplog.text


def of_kind(world: World, kind: EventKind) -> list[Event]:
    return [event for event in world.events if event.kind is kind]


async def test_a_key_with_a_line_break_starts_no_new_log_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    manager = world.manager(key="alice\nroot: all is well")
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    await manager.get_token()
    lines = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert any(line.startswith(r"'alice\nroot: all is well': renewed") for line in lines)
    assert not any("\n" in line for line in lines)


async def test_a_renewal_begins_and_ends_with_an_event(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    world.events.clear()
    with world.fake.inject(faults.latency(2.0)):
        asking = asyncio.create_task(manager.get_token())
        await world.clock.advance(2)
    await asking
    kinds = [event.kind for event in world.events]
    assert kinds == [
        EventKind.BEGAN,
        EventKind.REQUESTED,
        EventKind.RENEWED,
        EventKind.ENDED,
        EventKind.CALLER_WAITED,
    ]
    [ended], [waited] = of_kind(world, EventKind.ENDED), of_kind(world, EventKind.CALLER_WAITED)
    assert (ended.detail, ended.seconds, ended.error) == ("renew", 2.0, "")
    assert waited.seconds == 2.0


async def test_the_end_of_a_renewal_that_failed_names_the_error(world: World) -> None:
    with pytest.raises(BitbucketAuthError):
        await world.manager().get_token()
    [ended] = of_kind(world, EventKind.ENDED)
    assert ended.error == "LoginRequiredError"


async def test_only_callers_that_waited_are_reported(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await manager.get_token()
    await world.clock.advance(3500)
    await manager.get_token()  # renewed in the background
    await manager.idle()
    assert of_kind(world, EventKind.CALLER_WAITED) == []
    await world.expire()
    await asyncio.gather(*(manager.get_token() for _ in range(5)))
    assert len(of_kind(world, EventKind.CALLER_WAITED)) == 5


async def test_waiting_for_another_managers_renewal_is_reported_once(world: World) -> None:
    one, other = world.manager(), world.manager()
    await one.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.latency(5.0)):
        asking = asyncio.create_task(one.get_token())
        await world.clock.settle()
        waiting = asyncio.create_task(other.get_token())
        await world.clock.advance(10)
    assert await asking == await waiting
    assert len(of_kind(world, EventKind.CLAIM_WAITED)) == 1


async def test_taking_over_a_lapsed_claim_is_reported(world: World) -> None:
    one, other = world.manager(), world.manager()
    await one.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()):
        asking = asyncio.create_task(one.get_token())
        await world.clock.settle()
        await world.crash(one)
        with pytest.raises(BitbucketAuthError):
            await asking
        assert of_kind(world, EventKind.CLAIM_LAPSED) == []
    waiting = asyncio.create_task(other.get_token())
    await world.clock.advance(65)  # a lease and the longest polling interval
    await waiting
    assert len(of_kind(world, EventKind.CLAIM_LAPSED)) == 1


class Wiretap:
    """Collects every secret that is sent or received."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.secrets: set[str] = set()

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        self.secrets.add(request.headers.get("Authorization", "Basic ").removeprefix("Basic "))
        for name, values in parse_qs(request.body.decode()).items():
            if name in {"refresh_token", "password", "client_secret", "code"}:
                self.secrets.update(values)
        response = await self._world.fake.send(request, timeout=timeout)
        answer = parse_json(response)
        self.secrets.update(str(answer[name]) for name in ("access_token", "refresh_token") if name in answer)
        return response

    async def aclose(self) -> None:
        """Nothing to close."""


def parse_json(response: Response) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(response.body)
    except ValueError:
        return {}
    return answer


async def test_r11_a_whole_history_shows_no_secret_in_logs_events_errors_or_reprs(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wiretap(world)
    shown: list[str] = []
    secret = str(world.fake.client.client_secret)
    manager = world.manager(transport=wire)
    await _history(world, manager, shown)
    wrong = world.manager(
        transport=wire,
        client=Client(world.fake.client.client_id, "wrong-secret-of-ours"),
        grant=ClientCredentials(),
        key="b",
    )
    await _ask(wrong, shown)
    password = world.manager(transport=wire, grant=Password("alice", "a password of hers"), key="c")
    await _ask(password, shown)
    echo = _echoing(world)
    await _ask(world.manager(transport=echo, grant=ClientCredentials(), key="d"), shown)

    secrets = {secret, "wrong-secret-of-ours", "a password of hers", *wire.secrets} - {""}
    shown += [repr(value) for value in (manager, wrong, password, await world.record(), world.events, wire)]
    shown += [record.getMessage() + (record.exc_text or "") for record in caplog.records]
    shown += [f"{event.key} {event.detail}" for event in world.events]
    assert len(secrets) >= 8
    assert {EventKind.RENEWED, EventKind.OUTAGE_BEGAN, EventKind.REFUSED, EventKind.MISCONFIGURED} <= set(
        world.event_kinds()
    )
    for one in secrets:
        assert all(one not in text for text in shown), "a secret is shown"


async def _history(world: World, manager: TokenManager, shown: list[str]) -> None:
    """Renewal, outage, garbage, a store that is down, a dead refresh token, sign-out."""
    token = await manager.adopt(world.fake.sign_in())
    await world.expire()
    token = await manager.get_token()
    shown.append(repr(token))
    for fault in (
        faults.status(503),
        faults.html(),
        faults.garbage(),
        faults.reset(processed=True),
        faults.truncated(),
    ):
        await world.expire()
        with world.fake.inject(fault):
            await _ask(manager, shown)
        await world.clock.advance(120)
        await _ask(manager, shown)
    await world.expire()
    world.stores[manager].down = True
    await _ask(manager, shown)
    world.stores[manager].down = False
    await world.clock.advance(120)
    await _ask(manager, shown)
    found = (await world.token()).refresh_token
    assert found is not None
    world.fake.kill_refresh_token(found)
    await world.expire()
    await _ask(manager, shown)
    await manager.logout()
    await _ask(manager, shown)


async def _ask(manager: TokenManager, shown: list[str]) -> None:
    """Call, and collect every text that a program can see of an error."""
    try:
        shown.append(repr(await manager.get_token()))
    except BitbucketAuthError as error:
        shown += [repr(error), str(error), repr(vars(error))]
        # Frames show lines of code, not values; the texts of the chained causes are what a log shows.
        shown.append("".join(traceback.format_exception(error)))


def _echoing(world: World) -> Any:  # noqa: ANN401 - a transport
    class Echo(Wiretap):
        """A server that returns the request as an error."""

        async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
            sent = request.headers.get("Authorization", "")
            body = '{"error": "invalid_client", "error_description": "bad ' + sent + '"}'
            return Response(status=401, headers={"content-type": "application/json"}, body=body.encode())

    return Echo(world)


def test_the_repr_of_a_token_and_of_a_client_shows_no_secret() -> None:
    token = Token(access_token="at-secret", refresh_token="rt-secret", issued_at=0.0)
    assert "secret" not in repr(token)
    assert "s3cret" not in repr(Client("id", "s3cret"))


async def test_a_manager_passes_on_a_bearers_event(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.manager().tell(EventKind.API_REFUSED, "The API answered 401.")
    assert world.events == [Event(kind=EventKind.API_REFUSED, key="alice", detail="The API answered 401.")]
    assert told(caplog) == [(INFO, "api_refused")]
