"""The dashboard and the alerts use metrics, labels and values that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bitbucket_auth_async import LoginRequiredError
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.telemetry.otel import OpenTelemetry
from tests.support.manager_world import World

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
DASHBOARD: dict[str, Any] = json.loads((HOW_TO / "grafana-dashboard.json").read_text(encoding="utf-8"))
RULES = (HOW_TO / "prometheus-rules.yml").read_text(encoding="utf-8")


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


async def scraped() -> list[Sample]:
    """Renew once, be refused once, and return the samples that Prometheus would scrape."""
    world = World()
    provider = MeterProvider([PrometheusMetricReader()])
    telemetry = OpenTelemetry(meter_provider=provider)
    manager = world.manager(on_event=telemetry)
    telemetry.watch(manager)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    token = await manager.get_token()
    assert token.refresh_token is not None
    world.fake.kill_refresh_token(token.refresh_token)
    await world.expire()
    with pytest.raises(LoginRequiredError):
        await manager.get_token()
    text = generate_latest().decode()
    provider.shutdown()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


async def test_every_query_uses_exported_metrics_and_labels() -> None:
    samples = await scraped()
    metrics = {sample.name for sample in samples}
    labels = {label for sample in samples for label in sample.labels} | {"job"}
    asked = [*queries(), RULES]
    assert len(asked) > 10
    for query in asked:
        names = set(re.findall(r"\bbitbucket_auth_\w+_(?:seconds\w*|total)\b", query))
        assert names
        assert names <= metrics
        used = re.findall(r"(\w+)(?:=~|!~|!=|=)\"", query) + re.findall(r"by \(([^)]*)\)", query)
        assert {label.strip() for some in used for label in some.split(",")} <= labels


def test_every_event_in_a_query_exists() -> None:
    kinds = {kind.value for kind in EventKind}
    named = [
        event
        for query in [*queries(), RULES]
        for values in re.findall(r'bitbucket_auth_event(?:=|!~)"([^"]*)"', query)
        for event in values.split("|")
    ]
    assert len(named) > 5
    assert set(named) <= kinds


def test_the_page_lists_every_kind_of_event() -> None:
    page = (HOW_TO / "observe.md").read_text(encoding="utf-8")
    assert [kind.value for kind in EventKind if f"`{kind.value}`" not in page] == []


def test_the_first_event_of_its_kind_counts() -> None:
    """`increase` misses a counter's first value, and an absent series has no labels to match."""
    asked = [*queries(), RULES]
    counted = [found for query in asked for found in re.findall(r"increase\(([^\[\]]+)\[([^\]]+)\]\)", query)]
    assert len(counted) > 4
    for metric, span in counted:
        new = f"(max_over_time({metric}[{span}]) unless {metric} offset {span})"
        assert any(re.search(rf"{re.escape(new)}\s+or increase\({re.escape(metric)}", query) for query in asked), metric
    assert "vector(" not in RULES
