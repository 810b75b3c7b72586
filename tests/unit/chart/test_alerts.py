"""Alert rules and the dashboard, as text. What they read is held to real processes elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import promql_parser as promql
import pytest

from support.monitoring import (
    Reference,
    dashboard,
    expressions,
    missing,
    references,
    rules,
    shown_labels,
)

PAGE = Path(__file__).parents[3] / "docs" / "alerts.md"


@pytest.mark.parametrize(("name", "expression"), list(expressions()))
def test_every_expression_is_promql_that_reads_a_metric(name: str, expression: str):
    assert references(expression), name


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_and_a_section_of_its_own(rule):
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"RUNBOOKS#{rule['alert'].lower()}"
    sections = re.findall(r"^## (\w+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rule["alert"] in sections
    assert len(sections) == len(rules())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_tells_only_labels_that_its_expression_leaves(rule):
    kept = {label for one in references(rule["expr"]) for label in one.labels}

    for text in (rule["annotations"]["summary"], rule["annotations"]["description"]):
        assert shown_labels(text) <= kept


@pytest.mark.parametrize("panel", dashboard()["panels"], ids=lambda panel: panel["title"])
def test_a_panel_names_its_lines_by_labels_that_its_expression_leaves(panel):
    for target in panel["targets"]:
        text = target["expr"].replace("$__rate_interval", "5m")
        kept = {label for one in references(text) for label in one.labels}
        assert shown_labels(target["legendFormat"]) <= kept


def test_what_comes_from_the_database_is_never_summed_over_replicas():
    for name, expression in expressions():
        tree = promql.parse(expression)
        for aggregate, metric in innermost(tree, None):
            if metric.startswith(("etl_", "cryptosource_")) and "_operator_" not in metric:
                assert aggregate in {"max", "absent"}, (name, metric)


def innermost(node, aggregate):
    """Yield each metric with the aggregation that is nearest to it."""
    if isinstance(node, promql.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql.VectorSelector):
        yield aggregate, node.name
    elif isinstance(node, promql.AggregateExpr):
        yield from innermost(node.expr, str(node).split("(")[0].split()[0])
    elif isinstance(node, promql.Call):
        for argument in node.args:
            yield from innermost(argument, "absent" if node.func.name == "absent" else aggregate)
    elif isinstance(node, promql.BinaryExpr):
        yield from innermost(node.lhs, aggregate)
        yield from innermost(node.rhs, aggregate)
    elif isinstance(node, promql.ParenExpr):
        yield from innermost(node.expr, aggregate)


def test_a_metric_or_a_label_that_nobody_exposes_is_found():
    text = 'sum by (route) (rate(api_requests_total{status="500"}[5m])) / on (x) nothing'

    assert references(text) == [
        Reference("api_requests_total", frozenset({"route", "status", "x"})),
        Reference("nothing", frozenset({"x"})),
    ]
    shown = {"api_requests_total": {"route", "method"}}
    assert sorted(missing(text, shown)) == [
        "api_requests_total{status}",
        "api_requests_total{x}",
        "nothing",
    ]
    with pytest.raises(ValueError, match="unclosed"):
        references("sum by (")
