"""What the operator exposes before anything has happened."""

from __future__ import annotations

from prometheus_client import generate_latest

from cryptosource_operator.kinds import KINDS
from cryptosource_operator.metrics import Metrics


def test_counters_that_alerts_watch_are_there_before_the_first_event():
    text = generate_latest(Metrics().registry).decode()

    for kind in KINDS:
        assert f'cryptosource_operator_watch_missed_total{{kind="{kind}"}} 0.0' in text
    for result in ("success", "error"):
        assert f'cryptosource_operator_reconcile_total{{result="{result}"}} 0.0' in text
