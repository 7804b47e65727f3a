"""The spans and metrics that the SDK's in-memory exporters receive."""

import asyncio
import gc
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from bitbucket_auth_async import (
    BITBUCKET_CLOUD,
    AuthorizationCode,
    AuthorizationRequest,
    BitbucketAuthError,
    LoginRequiredError,
)
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.telemetry.otel import OpenTelemetry
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World


class Collector:
    """The SDK with in-memory exporters."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self._meter_provider = MeterProvider([self._reader])
        self.listener = OpenTelemetry(meter_provider=self._meter_provider, tracer_provider=self.tracer_provider)

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def count(self, name: str, **attributes: str) -> float:
        """Return the sum of the points that have these attributes (without our prefix)."""
        total = 0.0
        for point in self.points(name):
            found = {key.removeprefix("bitbucket_auth."): value for key, value in point.attributes.items()}
            if attributes.items() <= found.items():
                total += point.count if isinstance(point, HistogramDataPoint) else point.value
        return total

    def close(self) -> None:
        self.tracer_provider.shutdown()
        self._meter_provider.shutdown()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def attributes(span: ReadableSpan) -> dict[str, object]:
    return {name.removeprefix("bitbucket_auth."): value for name, value in (span.attributes or {}).items()}


def happened(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


async def test_a_renewal_makes_a_span_and_metrics(world: World, collector: Collector) -> None:
    manager = world.manager(on_event=collector.listener)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    await manager.get_token()
    [span] = collector.spans()
    assert span.name == "bitbucket_auth.renew"
    assert attributes(span) == {"key": "alice", "outcome": "renewed"}
    assert happened(span) == ["requested", "renewed"]
    assert span.status.status_code is StatusCode.UNSET
    assert collector.count("bitbucket_auth.work.duration", work="renew", outcome="renewed") == 1
    assert collector.count("bitbucket_auth.wait.duration") == 1
    assert collector.count("bitbucket_auth.events", event="renewed") == 1


async def test_a_refused_renewal_is_an_error(world: World, collector: Collector) -> None:
    manager = world.manager(on_event=collector.listener)
    token = await manager.adopt(world.fake.sign_in())
    assert token.refresh_token is not None
    world.fake.kill_refresh_token(token.refresh_token)
    await world.expire()
    with pytest.raises(LoginRequiredError):
        await manager.get_token()
    [span] = collector.spans()
    assert attributes(span) == {"key": "alice", "outcome": "refused", "error.type": "LoginRequiredError"}
    assert span.status.status_code is StatusCode.ERROR
    assert happened(span) == ["requested", "refused"]
    [point] = collector.points("bitbucket_auth.work.duration")
    assert point.attributes["error.type"] == "LoginRequiredError"
    assert collector.count("bitbucket_auth.events", event="login_required") == 1


UNKNOWN_CLIENT = faults.body(b'{"error": "invalid_client"}', code=401, processed=False)


@pytest.mark.parametrize(
    "fault, outcome",
    [(faults.status(503), "outage"), (faults.unreachable(), "outage"), (UNKNOWN_CLIENT, "misconfigured")],
)
async def test_every_other_failure_has_its_outcome(
    world: World, collector: Collector, fault: faults.Fault, outcome: str
) -> None:
    manager = world.manager(on_event=collector.listener)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(fault), pytest.raises(BitbucketAuthError) as caught:
        await manager.get_token()
    assert collector.count("bitbucket_auth.work.duration", outcome=outcome) == 1
    [span] = collector.spans()
    assert attributes(span)["error.type"] == type(caught.value).__name__


async def test_a_failing_store_is_an_outcome(world: World, collector: Collector) -> None:
    manager = world.manager(on_event=collector.listener)
    world.stores[manager].down = True
    with pytest.raises(BitbucketAuthError):
        await manager.get_token()
    assert collector.count("bitbucket_auth.work.duration", outcome="store_failed") == 1


async def test_a_load_without_news_is_unchanged_and_a_newer_token_is_adopted(
    world: World, collector: Collector
) -> None:
    manager, other = world.manager(on_event=collector.listener), world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(300)  # a load is due
    await manager.get_token()
    await manager.idle()
    await world.expire()
    await other.get_token()
    await manager.get_token()
    assert [attributes(span)["outcome"] for span in collector.spans()] == ["unchanged", "adopted"]


async def test_an_exchange_has_its_own_span(world: World, collector: Collector) -> None:
    manager = world.manager(on_event=collector.listener)
    with pytest.raises(BitbucketAuthError):
        await manager.exchange(AuthorizationCode(code="spent", redirect_uri="https://my-app.example/callback"))
    [span] = collector.spans()
    assert (span.name, attributes(span)["outcome"]) == ("bitbucket_auth.exchange", "refused")


async def test_a_successful_exchange_has_the_outcome_exchanged(world: World, collector: Collector) -> None:
    manager = world.manager(on_event=collector.listener)
    request = AuthorizationRequest(server=BITBUCKET_CLOUD, client=world.fake.client)
    await manager.exchange(request.judge(world.fake.authorize(request.url)))
    assert collector.count("bitbucket_auth.work.duration", work="exchange", outcome="exchanged") == 1
    [span] = collector.spans()
    assert attributes(span)["outcome"] == "exchanged"


async def test_the_span_is_current_during_the_request(world: World, collector: Collector) -> None:
    """Spans of an HTTP library's instrumentation are its children, and it is a child of the caller's span."""
    tracer = collector.tracer_provider.get_tracer("test")

    class Instrumented:
        async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
            with tracer.start_as_current_span("POST"):
                return await world.fake.send(request, timeout=timeout)

        async def aclose(self) -> None:
            """Nothing is open."""

    manager = world.manager(on_event=collector.listener, transport=Instrumented())
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with tracer.start_as_current_span("caller") as caller:
        await manager.get_token()
        assert trace.get_current_span() is caller
    spans = {span.name: span for span in collector.spans()}
    parents = {name: span.parent and span.parent.span_id for name, span in spans.items()}
    ids = {name: span.context and span.context.span_id for name, span in spans.items()}
    assert parents == {"POST": ids["bitbucket_auth.renew"], "bitbucket_auth.renew": ids["caller"], "caller": None}


async def test_spans_of_two_concurrent_renewals_do_not_mix(world: World, collector: Collector) -> None:
    managers = [world.manager(on_event=collector.listener, key=key) for key in ("alice", "bob")]
    for manager in managers:
        await manager.adopt(world.fake.sign_in())
    await world.expire()
    await asyncio.gather(*(manager.get_token() for manager in managers))
    assert [happened(span) for span in collector.spans()] == [["requested", "renewed"]] * 2
    assert {attributes(span)["key"] for span in collector.spans()} == {"alice", "bob"}


async def test_a_cancelled_renewal_is_interrupted(world: World, collector: Collector) -> None:
    manager = world.manager(on_event=collector.listener)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()):
        asking = asyncio.create_task(manager.get_token())
        await world.clock.settle()
        await world.crash(manager)
        with pytest.raises(BitbucketAuthError):
            await asking
    assert attributes(collector.spans()[0])["outcome"] == "interrupted"


async def test_age_and_time_to_expiry_of_watched_managers_are_gauges(world: World, collector: Collector) -> None:
    manager = world.manager(on_event=collector.listener)
    collector.listener.watch(manager)
    assert collector.points("bitbucket_auth.token.age") == []
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(60)
    [age] = collector.points("bitbucket_auth.token.age")
    [left] = collector.points("bitbucket_auth.token.time_to_expiry")
    assert (age.value, dict(age.attributes)) == (60.0, {"bitbucket_auth.key": "alice"})
    assert left.value == pytest.approx(3600 - 60 - 30)
    del world.stores[manager]
    await manager.aclose()
    del manager
    gc.collect()
    assert collector.points("bitbucket_auth.token.age") == []


def test_an_end_event_without_a_begin_event_is_ignored(collector: Collector) -> None:
    collector.listener(Event(kind=EventKind.ENDED, key="alice", detail="renew", seconds=1.0))
    assert (collector.spans(), collector.points("bitbucket_auth.work.duration")) == ((), [])


async def test_r11_no_metric_and_no_span_contains_a_secret(world: World, collector: Collector) -> None:
    secrets: set[str] = {str(world.fake.client.client_secret)}
    manager = world.manager(on_event=collector.listener)
    for _ in range(2):
        token = await manager.adopt(world.fake.sign_in())
        secrets |= {token.access_token, str(token.refresh_token)}
        await world.expire()
        token = await manager.get_token()
        secrets |= {token.access_token, str(token.refresh_token)}
    shown = "".join(span.to_json() for span in collector.spans())
    for name in ("work.duration", "wait.duration", "events"):
        for point in collector.points(f"bitbucket_auth.{name}"):
            attrs: Mapping[str, object] = point.attributes
            shown += repr(dict(attrs))
    assert "renewed" in shown
    assert [secret for secret in secrets if secret in shown] == []
