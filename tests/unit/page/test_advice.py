"""What a person is to do is said for everything that can go wrong."""

from __future__ import annotations

from cryptosource_api.page.source import ADVICE_BY_REASON, ADVICE_BY_STATE
from cryptosource_api.page.source_states import STATES
from cryptosource_store.reasons import Reason

WELL = {Reason.COMPLETED, Reason.NOT_MODIFIED, Reason.ALREADY_RUNNING, Reason.ALREADY_SUCCEEDED}


def test_every_reason_of_a_run_that_did_not_succeed_has_its_advice():
    assert set(ADVICE_BY_REASON) == set(Reason) - WELL


def test_every_state_that_somebody_should_look_at_has_its_advice():
    wanting = {state.key for state in STATES.values() if state.attention}

    assert wanting == {*ADVICE_BY_STATE, "failing"}
