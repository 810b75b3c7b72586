"""Every reason is of one kind, and whoever asks gets the same answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_store.reasons import PERMANENT_REASONS, Ending, Reason

CONDITIONS = Path(__file__).parents[3] / "docs" / "conditions.md"
OF_RUNS = [reason for reason in Reason if reason.ending is not Ending.SKIPPED]
"""A skipped run says nothing about its source, so no condition has its reason."""


def documented() -> dict[str, list[str]]:
    """Return each reason of the table of docs/conditions.md with the conditions that carry it."""
    table = CONDITIONS.read_text("utf-8").partition("## Reasons")[2]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    return {
        word.strip(" `"): [condition.strip() for condition in conditions.split(",")]
        for words, conditions in rows
        for word in words.split(",")
    }


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_retryable_or_permanent_exactly_if_it_is_one_of_a_failure(reason: Reason):
    failure = reason.ending in {Ending.RETRYABLE, Ending.PERMANENT}

    assert reason.retryable + reason.permanent == failure
    assert (reason in PERMANENT_REASONS) is reason.permanent
    assert (reason.value in PERMANENT_REASONS) is reason.permanent


@pytest.mark.parametrize("reason", OF_RUNS)
def test_the_guide_to_conditions_names_every_reason_and_stalls_on_permanent_ones_alone(
    reason: Reason,
):
    conditions = documented()[reason]

    assert "LastRunSucceeded" in conditions
    assert ("Stalled" in conditions) is reason.permanent


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_can_be_raised_as_its_own_kind_alone(reason: Reason):
    for kind, fits in ((Retryable, reason.retryable), (Permanent, reason.permanent)):
        if fits:
            assert kind(reason, "why").exit_code == (75 if reason.retryable else 78)
        else:
            with pytest.raises(ValueError, match="cannot be raised as"):
                kind(reason, "why")
