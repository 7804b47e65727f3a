"""What does an event listener cost: for a fresh get_token(), for a renewal, and for many callers that wait for one?"""

import asyncio
from collections.abc import Callable

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_server import SERVER, CountingServer
from benchmarks.measuring import report, side_by_side
from bitbucket_auth_async import Client, ClientCredentials, TokenManager
from bitbucket_auth_async.telemetry.events import Event
from bitbucket_auth_async.telemetry.otel import OpenTelemetry

CALLS = 100_000
RENEWALS = 200
CALLERS = 10_000
Listener = Callable[[Event], object]


class Collector:
    """OpenTelemetry's SDK, with exporters in memory."""

    def __init__(self) -> None:
        spans = InMemorySpanExporter()
        self._tracers = TracerProvider()
        self._tracers.add_span_processor(SimpleSpanProcessor(spans))
        self._meters = MeterProvider([InMemoryMetricReader()])
        self.listener = OpenTelemetry(meter_provider=self._meters, tracer_provider=self._tracers)

    def close(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()


def manager(listener: Listener | None) -> TokenManager:
    return TokenManager(
        Client("id", "secret"),
        grant=ClientCredentials(),
        server=SERVER,
        transport=CountingServer(),
        on_event=listener,
    )


# Two loops with the same code: the interpreter specialises each for its one object.
async def ask_alone(source: TokenManager) -> None:
    for _ in range(CALLS):
        await source.get_token()


async def ask_watched(source: TokenManager) -> None:
    for _ in range(CALLS):
        await source.get_token()


async def renew(listener: Listener | None) -> None:
    for _ in range(RENEWALS):
        async with manager(listener) as source:
            await source.get_token()


async def ask_together(listener: Listener | None) -> None:
    async with manager(listener) as source:
        await asyncio.gather(*(source.get_token() for _ in range(CALLERS)))


def test_a_fresh_token_with_a_listener(benchmark: BenchmarkFixture) -> None:
    collector = Collector()
    with asyncio.Runner() as runner:
        alone, watched = manager(None), manager(collector.listener)
        collector.listener.watch(watched)
        for source in (alone, watched):
            runner.run(source.get_token())
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(ask_alone(alone)),
            candidate=lambda: runner.run(ask_watched(watched)),
        )
        for source in (alone, watched):
            runner.run(source.aclose())
    collector.close()
    report(benchmark, "get_token() fresh, with OpenTelemetry against without", ratio=f"{result.ratio:.2f} (target: 1)")


def test_a_renewal_with_a_listener(benchmark: BenchmarkFixture) -> None:
    collector = Collector()
    with asyncio.Runner() as runner:
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(renew(None)),
            candidate=lambda: runner.run(renew(collector.listener)),
        )
    collector.close()
    report(
        benchmark,
        "a renewal in memory, with OpenTelemetry against without",
        ratio=f"{result.ratio:.2f}",
        added_us=f"{result.added.times(1e6 / RENEWALS):.0f}",
    )


def test_ten_thousand_waiting_callers_with_a_listener(benchmark: BenchmarkFixture) -> None:
    collector = Collector()
    with asyncio.Runner() as runner:
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(ask_together(None)),
            candidate=lambda: runner.run(ask_together(collector.listener)),
            rounds=10,
        )
    collector.close()
    report(
        benchmark,
        f"{CALLERS:,} callers that wait for one renewal, with OpenTelemetry against without",
        ratio=f"{result.ratio:.2f}",
        added_us_each=f"{result.added.times(1e6 / CALLERS):.1f}",
    )
