"""Traces of the operator: one span for what changed something, none for what did not."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from opentelemetry.trace import StatusCode

from cryptosource_operator import reconcile_tracing
from cryptosource_operator.cronjob_applier import cronjob_differences
from cryptosource_operator.cronjob_plan import plan_cronjob, signature_of, with_signature
from cryptosource_operator.names import PLANNED_BY
from cryptosource_operator.reconcile_tracing import (
    current_traceparent,
    trace_operation,
    trace_request,
)
from support.operators import SETTINGS, UID
from support.sources import make_source
from support.spans import CaughtSpans

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JOBS = "/apis/batch/v1/namespaces/crypto/jobs"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[CaughtSpans]:
    caught = CaughtSpans()
    monkeypatch.setattr(reconcile_tracing, "_tracer", caught.provider.get_tracer("t"))
    return caught


def test_a_look_that_only_reads_is_no_span(spans: CaughtSpans):
    with (
        trace_operation("operator.reconcile", source="crypto/a"),
        trace_request("GET", JOBS) as codes,
    ):
        codes.append(200)

    assert not spans.all


def test_a_write_is_a_child_of_the_look_that_made_it(spans: CaughtSpans):
    with trace_operation("operator.reconcile", source="crypto/a"):
        with trace_request("POST", f"{JOBS}?fieldManager=x") as codes:
            codes.append(201)
        with trace_request("PATCH", "/apis/x/v1/namespaces/n/cryptosources/a/status") as codes:
            codes.append(409)

    post, patch, look = spans.all
    assert spans.names == ["POST jobs", "PATCH cryptosources", "operator.reconcile"]
    assert {post.parent.span_id, patch.parent.span_id} == {look.context.span_id}
    assert look.parent is None
    assert look.start_time <= post.start_time
    assert look.attributes == {"cryptosource.source": "crypto/a"}
    assert post.attributes["url.path"] == JOBS
    assert patch.status.status_code is StatusCode.ERROR


def test_a_job_goes_on_in_the_trace_of_who_asked(spans: CaughtSpans):
    with trace_operation("operator.request", parent=GIVEN, request="r"):
        handed_on = current_traceparent()

    (span,) = spans.all
    assert span.parent.span_id == int(GIVEN[36:52], 16)
    assert handed_on == f"00-{GIVEN[3:35]}-{span.context.span_id:016x}-01"


def test_without_tracing_the_trace_of_who_asked_is_handed_on():
    with trace_operation("operator.request", parent=GIVEN, request="r"):
        assert current_traceparent() == GIVEN
    with trace_operation("operator.reconcile", parent="nonsense", source="crypto/a"):
        assert current_traceparent() == ""
    assert current_traceparent() == ""


def test_a_failed_look_says_what_kind_of_failure(spans: CaughtSpans):
    def fail() -> None:
        current_traceparent()
        raise KeyError("secret")

    with pytest.raises(KeyError), trace_operation("operator.reconcile", source="a"):
        fail()

    assert spans.all[0].attributes["error.type"] == "KeyError"
    assert "secret" not in spans.all[0].to_json()


def test_runs_can_tell_who_planned_them_and_the_plan_stays_the_same():
    plan = plan_cronjob(make_source(uid=UID), SETTINGS)

    one = with_signature(plan, GIVEN)

    pod = one["spec"]["jobTemplate"]["spec"]["template"]
    assert pod["metadata"]["annotations"][PLANNED_BY] == GIVEN
    assert plan == plan_cronjob(make_source(uid=UID), SETTINGS)
    assert with_signature(plan, "") == plan
    assert signature_of(one) == GIVEN


@pytest.mark.parametrize("signature", [GIVEN, "made-up"])
def test_only_a_signature_that_is_none_is_a_difference(signature: str):
    plan = plan_cronjob(make_source(uid=UID), SETTINGS)
    stored = copy.deepcopy(plan)
    pod = stored["spec"]["jobTemplate"]["spec"]["template"]
    pod["metadata"]["annotations"][PLANNED_BY] = signature

    found = cronjob_differences(with_signature(plan, signature_of(stored)), stored)

    assert bool(found) is (signature != GIVEN)
