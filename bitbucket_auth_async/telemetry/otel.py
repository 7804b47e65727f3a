"""OpenTelemetry: a listener that makes metrics and spans of what happens."""

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
"""Buckets, from a store next door to the deadline of a caller."""

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
    """What `watch` takes: a TokenManager."""

    def snapshot(self) -> Mapping[str, object]:
        """Return how it stands."""
        ...


class OpenTelemetry:
    """Makes metrics and spans of what managers tell; give it to them as `on_event`.

    Metrics, under names as the semantic conventions want them:

    - `bitbucket_auth.work.duration` (histogram, s), by `bitbucket_auth.work` (`renew`, `exchange`),
      `bitbucket_auth.outcome` and, if it failed, `error.type`: renewals by outcome, and how long they took
    - `bitbucket_auth.wait.duration` (histogram, s): how long callers without a good token waited
    - `bitbucket_auth.events` (counter), by `bitbucket_auth.event`: whatever else happens
    - `bitbucket_auth.token.age` and `bitbucket_auth.token.time_to_expiry` (gauges, s), by `bitbucket_auth.key`: of
      the managers that are watched

    A span `bitbucket_auth.renew` or `bitbucket_auth.exchange` goes round each piece of work, with what happened in it
    as its events. It is the current span meanwhile, so that spans of your HTTP library's own instrumentation become
    its children. It begins where its first caller asked, and may outlive that caller.

    Args:
        meter_provider: By default the global one.
        tracer_provider: By default the global one.
    """

    def __init__(
        self, *, meter_provider: MeterProvider | None = None, tracer_provider: TracerProvider | None = None
    ) -> None:
        """Make the instruments; a provider that is set later is found all the same."""
        version = _version()
        self._tracer = trace.get_tracer(_SCOPE, version, tracer_provider)
        meter = metrics.get_meter(_SCOPE, version, meter_provider)
        self._work = meter.create_histogram(
            "bitbucket_auth.work.duration",
            unit="s",
            description="How long renewals and exchanges took, by outcome.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._wait = meter.create_histogram(
            "bitbucket_auth.wait.duration",
            unit="s",
            description="How long callers without a good token waited for one.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._events = meter.create_counter("bitbucket_auth.events", unit="{event}", description="What happened.")
        meter.create_observable_gauge(
            "bitbucket_auth.token.age",
            [lambda _: self._observe("age")],
            unit="s",
            description="Seconds since the token in use was issued.",
        )
        meter.create_observable_gauge(
            "bitbucket_auth.token.time_to_expiry",
            [self._time_to_expiry],
            unit="s",
            description="Seconds for which the token in use may still be handed out.",
        )
        self._watched: WeakSet[Watched] = WeakSet()

    def __call__(self, event: Event) -> None:
        """Take an event; a manager calls this."""
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
                work.take(event)

    def watch(self, manager: Watched) -> None:
        """Show the age of a manager's token and its time to expiry, for as long as the manager lives.

        Each makes two time series of its own, by its key: watch the few identities that you look at.
        """
        self._watched.add(manager)

    def _ended(self, event: Event) -> None:
        work = _current.get()
        if work is None:  # it began before we were listening
            return
        _current.set(None)
        outcome = work.end(event)
        attributes = {"bitbucket_auth.work": event.detail, "bitbucket_auth.outcome": outcome}
        if event.error:
            attributes["error.type"] = event.error
        # While the span is still the current one, so that an exemplar can point to it.
        self._work.record(event.seconds or 0.0, attributes)
        work.leave()

    def _time_to_expiry(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._observe("expires_in")

    def _observe(self, what: str) -> Iterable[Observation]:
        for manager in list(self._watched):
            found = manager.snapshot()
            value = found[what]
            if isinstance(value, float):
                yield Observation(value, {"bitbucket_auth.key": str(found["key"])})


class _Work:
    """One renewal or exchange under way, in the task that does it."""

    def __init__(self, span: Span, began: Event) -> None:
        self._span = span
        self._token: Token[Context] = context.attach(trace.set_span_in_context(span))
        self._outcome = "exchanged" if began.detail == "exchange" else "unchanged"
        span.set_attribute("bitbucket_auth.key", began.key)

    def take(self, event: Event) -> None:
        """Note what happened in it; the last that decides is the outcome."""
        self._outcome = _BY_KIND.get(event.kind, self._outcome)
        self._span.add_event(event.kind.value, {"bitbucket_auth.detail": event.detail})

    def end(self, event: Event) -> str:
        """End the span, and return the outcome."""
        if event.error and self._outcome != "refused":  # that is why the login is required
            self._outcome = _BY_ERROR.get(event.error, "failed")
        self._span.set_attribute("bitbucket_auth.outcome", self._outcome)
        if event.error:
            self._span.set_attribute("error.type", event.error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
        return self._outcome

    def leave(self) -> None:
        """Make the span the current one no more."""
        context.detach(self._token)


_current: ContextVar[_Work | None] = ContextVar("bitbucket_auth_async.telemetry.otel", default=None)


def _version() -> str:
    try:
        return metadata.version("bitbucket-auth-async")
    except metadata.PackageNotFoundError:
        return "unknown"
