"""Each alert evaluated on sample series by promtool, with the engine that users' Prometheus has."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.built_programs import built_program
from support.chart import only, yaml
from support.monitoring import RULES, rules

CASES = sorted(Path(__file__).with_name("alerts").glob("*.yaml"))
ALERTS = [rule["alert"] for rule in rules()]


def groups() -> list[dict[str, Any]]:
    """Return promtool's test groups of all files."""
    return [one for path in CASES for one in yaml.safe_load(path.read_text("utf-8"))["tests"]]


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' own checker of rules."""
    return built_program("prometheus", "promtool")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_when_it_must_and_only_then(promtool: Path, alert: str):
    done = subprocess.run(
        [promtool, "test", "rules", f"--run=^{alert} ", *CASES],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_shown_silent_pending_and_firing(alert: str):
    own = [one for one in groups() if one["name"].startswith(f"{alert} ")]
    checks = [one["alert_rule_test"] for one in own]
    fires = [[bool(check["exp_alerts"]) for check in group] for group in checks]

    assert {check["alertname"] for group in checks for check in group} == {alert}
    assert any(group[0] is False and any(group) for group in fires), "first pending, then firing"
    assert any(not any(group) for group in fires), "silent"


def test_what_is_evaluated_is_what_the_chart_installs(helm):
    values = {"alerts": {"enabled": True, "runbooks": "https://wiki.example/alerts"}}
    installed = only(helm.render(values), "PrometheusRule")["spec"]
    text = RULES.read_text("utf-8").replace("RUNBOOKS", "https://wiki.example/alerts")

    assert installed == yaml.safe_load(text)
    for path in CASES:
        (evaluated,) = yaml.safe_load(path.read_text("utf-8"))["rule_files"]
        assert (path.parent / evaluated).resolve() == RULES
