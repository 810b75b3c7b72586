"""Trace contexts as text."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.context import Context

from cryptosource_telemetry.trace_context import (
    links_to,
    parent_of,
    parse_traceparent,
    traceparent_of,
)

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_traceparent_is_read_and_written_alike(flags: str):
    text = GIVEN[:-2] + flags

    assert traceparent_of(parse_traceparent(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "00", GIVEN[:-1], GIVEN + "-00", GIVEN.upper(), "ff" + GIVEN[2:], "x" * 10_000),
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        GIVEN + "\n00",
    ],
)
def test_anything_else_names_no_trace(text: str):
    assert parse_traceparent(text) is None
    assert parent_of(text) == Context()
    assert links_to(text) == ()


def test_a_span_goes_on_in_the_trace_that_is_named():
    context = trace.get_current_span(parent_of(GIVEN)).get_span_context()

    assert f"{context.trace_id:032x}" == GIVEN[3:35]
    assert context.is_remote
    assert links_to(GIVEN)[0].context == context
