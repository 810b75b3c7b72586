from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_operator.cronjob_plan import plan_cronjob
from cryptosource_operator.source_parser import Readable, Unreadable, read_source, shorten
from support.operators import SETTINGS, UID
from support.sources import make_manifest


def body(**over):
    manifest = make_manifest(namespace="crypto", uid=UID, **over)
    manifest["metadata"] |= {"generation": 4, "resourceVersion": "1", "managedFields": [{}]}
    return manifest | {"status": {"conditions": "nonsense of somebody else"}}


def test_a_stored_resource_is_read_whatever_its_status_holds():
    found = read_source(body())

    assert isinstance(found, Readable)
    assert (found.source.metadata.uid, found.source.metadata.generation) == (UID, 4)
    assert found.schedule_problem == ""


@pytest.mark.parametrize(
    "over",
    [{"schedule": "61 * * * *"}, {"timeZone": "Mars/Base"}, {"schedule": "x", "timeZone": "y"}],
)
def test_a_schedule_that_we_doubt_is_planned_as_it_is_for_the_api_server_to_judge(over):
    found = read_source(body(**over))

    assert isinstance(found, Readable)
    assert all(f"spec.{name}" in found.schedule_problem for name in over)
    spec = plan_cronjob(found.source, SETTINGS)["spec"]
    assert {name: spec[name] for name in over} == over


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"csv": {"path": "x", "encoding": "rot13"}}, "spec.csv.encoding: no such text encoding"),
        ({"schedule": "61 * * * *", "csv": {}}, "exactly one of path"),
        ({"unheard": 1}, "spec.unheard"),
        ({"coinGecko": {}, "type": "CSV"}, "spec.coinGecko: does not belong to type CSV"),
    ],
)
def test_a_spec_that_means_nothing_says_where_and_why(over, words):
    found = read_source(body(**over))

    assert isinstance(found, Unreadable)
    assert words in found.message


def test_no_problem_shows_what_may_be_a_secret():
    found = read_source(body(apiKeySecretRef={"name": "CG-s3cret", "key": "k"}))

    assert "s3cret" not in found.message


@given(text=st.text(max_size=600))
def test_a_message_is_one_printable_line_within_its_bound(text):
    short = shorten(text)

    assert len(short) <= 256
    assert short.isprintable()
