from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_operator.object_diff import differences, merge_patch
from support.operators import make_cronjob

JSON = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECT = st.dictionaries(st.text(max_size=4), JSON, max_size=5)


def merged(target, patch):
    """RFC 7386, as the API server does it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


@given(old=OBJECT, new=OBJECT)
def test_a_merge_difference_turns_the_old_into_the_new(old, new):
    assert merged(old, merge_patch(old, new)) == new


@given(same=OBJECT)
def test_no_change_is_an_empty_patch(same):
    assert merge_patch(same, copy.deepcopy(same)) == {}


@given(planned=OBJECT)
def test_what_was_planned_is_in_step_with_itself(planned):
    assert differences(planned, planned) == []


def test_fields_that_others_may_have_are_no_drift():
    planned, found = make_cronjob(), make_cronjob()
    found["metadata"]["managedFields"] = []
    found["metadata"]["labels"]["team"] = "prices"

    assert differences(planned["metadata"], found["metadata"]) == []


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (lambda spec: spec.update(schedule="1 * * * *"), "spec.schedule"),
        (lambda spec: spec.pop("timeZone"), "spec.timeZone"),
        (
            lambda spec: spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].update(
                image="evil"
            ),
            "spec.jobTemplate.spec.template.spec.containers[0].image",
        ),
        (lambda spec: spec.update(paused=True), "spec.paused"),
        (
            lambda spec: spec["jobTemplate"]["spec"]["template"]["spec"].update(hostNetwork=True),
            "spec.jobTemplate.spec.template.spec.hostNetwork",
        ),
        (
            lambda spec: spec["jobTemplate"]["spec"]["template"]["spec"]["containers"].append({}),
            "spec.jobTemplate.spec.template.spec.containers",
        ),
    ],
)
def test_an_edit_by_hand_is_found_where_it_is(edit, path):
    planned, found = make_cronjob(), make_cronjob()
    edit(found["spec"])

    assert differences(planned["spec"], found["spec"], path="spec", whole=True) == [path]


def test_what_an_api_server_does_not_store_is_no_drift():
    planned = {"suspend": False, "affinity": {}, "args": [], "note": ""}
    found = {"suspend": False, "securityContext": {}, "creationTimestamp": None}

    assert differences(planned, found, whole=True) == []
