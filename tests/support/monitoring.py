"""The chart's alerts and dashboard, and what their expressions refer to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

from support.chart import CHART, yaml

RULES = CHART / "files" / "alerts.yaml"
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}
_GRAFANA = {"$__rate_interval": "5m", "$namespace": ".*", "$source": ".*"}


@dataclass(frozen=True)
class Reference:
    """A metric that an expression reads, and the labels it relies on there."""

    metric: str
    labels: frozenset[str]


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    found: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text("utf-8"))
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every expression with the name of what holds it, Grafana's variables filled in."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            text = target["expr"]
            for variable, value in _GRAFANA.items():
                text = text.replace(variable, value)
            yield panel["title"], text


def references(expression: str) -> list[Reference]:
    """Return what an expression reads.

    Raises:
        ValueError: it is no PromQL.
    """
    return list(_walk(promql.parse(expression), frozenset()))


def _walk(node: Any, grouping: frozenset[str]) -> Iterator[Reference]:
    if isinstance(node, promql.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql.VectorSelector):
        matched = {matcher.name for matcher in node.matchers.matchers}
        yield Reference(node.name, grouping | matched)
    elif isinstance(node, promql.AggregateExpr):
        own = frozenset(node.modifier.labels) if node.modifier else frozenset()
        yield from _walk(node.expr, grouping | own)
    elif isinstance(node, promql.BinaryExpr):
        matching = node.modifier.matching if node.modifier else None
        own = frozenset(matching.labels) if matching else frozenset()
        for side in (node.lhs, node.rhs):
            yield from _walk(side, grouping | own)
    elif isinstance(node, promql.Call):
        by_bucket = {"le"} if node.func.name == "histogram_quantile" else set()
        for argument in node.args:
            yield from _walk(argument, grouping | by_bucket)
    elif isinstance(node, promql.ParenExpr | promql.UnaryExpr):
        yield from _walk(node.expr, grouping)


def exposed(*texts: str) -> dict[str, set[str] | None]:
    """Return every sample name with the labels it carries; None: it has no sample yet."""
    found: dict[str, set[str] | None] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for suffix in SUFFIXES.get(family.type, ("",)):
                found.setdefault(family.name + suffix, None)
            for sample in family.samples:
                found[sample.name] = (found.get(sample.name) or set()) | set(sample.labels)
    return found


def missing(expression: str, shown: Mapping[str, set[str] | None]) -> list[str]:
    """Return what an expression relies on and nobody exposes."""
    gone = []
    for reference in references(expression):
        if reference.metric not in shown:
            gone.append(reference.metric)
            continue
        labels = shown[reference.metric]
        if labels is not None:
            gone += [f"{reference.metric}{{{label}}}" for label in reference.labels - labels]
    return gone


def shown_labels(text: str) -> set[str]:
    """Return the labels that a text of Prometheus' or Grafana's templates refers to."""
    return set(re.findall(r"\$labels\.(\w+)", text)) | set(re.findall(r"\{\{(\w+)\}\}", text))
