"""OpenTelemetry: an event listener that produces metrics and spans."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from importlib import metadata
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.telemetry.events import Event, EventKind

with extra("otel"):
    from opentelemetry import context, metrics, trace
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

if TYPE_CHECKING:
    from opentelemetry.context import Context

_SCOPE = "bitbucket_auth_async"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 90.0)
"""Histogram buckets, from the latency of a local store to the deadline of a caller."""

_BY_KIND = {
    EventKind.RENEWED: "renewed",
    EventKind.ADOPTED: "adopted",
    EventKind.KEPT_AS_SPARE: "kept_as_spare",
    EventKind.REFUSED: "refused",
    EventKind.OUTAGE_BEGAN: "outage",
    EventKind.OUTAGE_GOES_ON: "outage",
    EventKind.MISCONFIGURED: "misconfigured",
}
_BY_ERROR = {
    "InvalidGrantError": "refused",
    "LoginRequiredError": "login_required",
    "InvalidClientError": "misconfigured",
    "OAuthError": "misconfigured",
    "ConfigurationError": "misconfigured",
    "OutageError": "outage",
    "TransportError": "outage",
    "UnavailableError": "outage",
    "StoreError": "store_failed",
    "RecordError": "store_failed",
    "CancelledError": "interrupted",
}


class Watched(Protocol):
    """The argument of `watch`: a TokenManager."""

    def snapshot(self) -> Mapping[str, object]:
        """Return the current state."""
        ...


class OpenTelemetry:
    """Produces metrics and spans from the events of managers; pass it to them as `on_event`.

    Metrics, named after the semantic conventions:

    - `bitbucket_auth.work.duration` (histogram, s), by `bitbucket_auth.work` (`renew`, `exchange`),
      `bitbucket_auth.outcome` and, after a failure, `error.type`: number and duration of renewals and exchanges
    - `bitbucket_auth.wait.duration` (histogram, s): how long callers without a valid token waited
    - `bitbucket_auth.events` (counter), by `bitbucket_auth.event`: all other events
    - `bitbucket_auth.token.age` and `bitbucket_auth.token.time_to_expiry` (gauges, s), by `bitbucket_auth.key`: for
      watched managers

    Each renewal or exchange has a span `bitbucket_auth.renew` or `bitbucket_auth.exchange` with its events. It is the
    current span meanwhile, so that spans of your HTTP library's instrumentation become its children. It starts in the
    context of the first caller, and may outlive that caller.

    Args:
        meter_provider: The global one by default.
        tracer_provider: The global one by default.
    """

    def __init__(
        self, *, meter_provider: MeterProvider | None = None, tracer_provider: TracerProvider | None = None
    ) -> None:
        """Create the instruments; a global provider that is set later is used too."""
        version = _version()
        self._tracer = trace.get_tracer(_SCOPE, version, tracer_provider)
        meter = metrics.get_meter(_SCOPE, version, meter_provider)
        self._work = meter.create_histogram(
            "bitbucket_auth.work.duration",
            unit="s",
            description="Duration of renewals and exchanges, by outcome.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._wait = meter.create_histogram(
            "bitbucket_auth.wait.duration",
            unit="s",
            description="Time that callers without a valid token waited for one.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._events = meter.create_counter(
            "bitbucket_auth.events", unit="{event}", description="Number of events, by kind."
        )
        meter.create_observable_gauge(
            "bitbucket_auth.token.age",
            [lambda _: self._observe("age")],
            unit="s",
            description="Seconds since the current token was issued.",
        )
        meter.create_observable_gauge(
            "bitbucket_auth.token.time_to_expiry",
            [self._time_to_expiry],
            unit="s",
            description="Seconds until the current token is no longer returned.",
        )
        self._watched: WeakSet[Watched] = WeakSet()

    def __call__(self, event: Event) -> None:
        """Process an event; called by managers."""
        if event.kind is EventKind.CALLER_WAITED:
            self._wait.record(event.seconds or 0.0)
        elif event.kind is EventKind.BEGAN:
            _current.set(_Work(self._tracer.start_span(f"bitbucket_auth.{event.detail}"), event))
        elif event.kind is EventKind.ENDED:
            self._ended(event)
        else:
            self._events.add(1, {"bitbucket_auth.event": event.kind.value})
            work = _current.get()
            if work is not None:
                work.add_event(event)

    def watch(self, manager: Watched) -> None:
        """Export the age and the time to expiry of a manager's token while the manager exists.

        Each manager adds two time series with its key, so watch only the few identities that you monitor.
        """
        self._watched.add(manager)

    def _ended(self, event: Event) -> None:
        work = _current.get()
        if work is None:  # it began before this listener was added
            return
        _current.set(None)
        outcome = work.end(event)
        attributes = {"bitbucket_auth.work": event.detail, "bitbucket_auth.outcome": outcome}
        if event.error:
            attributes["error.type"] = event.error
        # While the span is still current, so that an exemplar can refer to it.
        self._work.record(event.seconds or 0.0, attributes)
        work.detach()

    def _time_to_expiry(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._observe("expires_in")

    def _observe(self, name: str) -> Iterable[Observation]:
        for manager in list(self._watched):
            snapshot = manager.snapshot()
            value = snapshot[name]
            if isinstance(value, float):
                yield Observation(value, {"bitbucket_auth.key": str(snapshot["key"])})


class _Work:
    """One running renewal or exchange, in its task."""

    def __init__(self, span: Span, began: Event) -> None:
        self._span = span
        self._token: Token[Context] = context.attach(trace.set_span_in_context(span))
        self._outcome = "exchanged" if began.detail == "exchange" else "unchanged"
        span.set_attribute("bitbucket_auth.key", began.key)

    def add_event(self, event: Event) -> None:
        """Add an event to the span; the last event with an outcome decides."""
        self._outcome = _BY_KIND.get(event.kind, self._outcome)
        self._span.add_event(event.kind.value, {"bitbucket_auth.detail": event.detail})

    def end(self, event: Event) -> str:
        """End the span, and return the outcome."""
        if event.error and self._outcome != "refused":  # the refusal is the cause of LoginRequiredError
            self._outcome = _BY_ERROR.get(event.error, "failed")
        self._span.set_attribute("bitbucket_auth.outcome", self._outcome)
        if event.error:
            self._span.set_attribute("error.type", event.error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
        return self._outcome

    def detach(self) -> None:
        """Detach the span from the current context."""
        context.detach(self._token)


_current: ContextVar[_Work | None] = ContextVar("bitbucket_auth_async.telemetry.otel", default=None)


def _version() -> str:
    try:
        return metadata.version("bitbucket-auth-async")
    except metadata.PackageNotFoundError:
        return "unknown"
