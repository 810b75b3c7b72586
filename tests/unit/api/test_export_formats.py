"""The form of an answer: `format=` decides, then Accept, and nothing that fits is a 406."""

from __future__ import annotations

import pytest

from cryptosource_api.exports import formats
from cryptosource_api.exports.formats import Form, form_of
from cryptosource_api.http.problems import ApiProblem

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.JSON),
        ("", Form.JSON),
        ("*/*", Form.JSON),
        (BROWSER, Form.JSON),
        ("application/*", Form.JSON),
        ("text/csv", Form.CSV),
        ("TEXT/CSV; charset=utf-8", Form.CSV),
        ("text/*", Form.CSV),
        ("text/csv;q=0.5, application/json;q=0.4", Form.CSV),
        ("text/csv;q=0.5, application/json", Form.JSON),
        ("application/x-ndjson, */*;q=0.1", Form.NDJSON),
        ("application/jsonl", Form.NDJSON),
        ("application/vnd.apache.parquet", Form.PARQUET),
        ("text/csv, application/json;q=0, */*;q=0.1", Form.CSV),
        ("application/json;q=0, */*", Form.CSV),
        ("application/json;q=wrong", Form.JSON),
    ],
)
def test_accept_chooses_what_is_wanted_most(accept, form):
    assert form_of(b"", accept) is form


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0", ",", ";q=1"])
def test_nothing_that_fits_is_a_406_that_says_what_there_is(accept):
    with pytest.raises(ApiProblem) as caught:
        form_of(b"", accept)

    assert caught.value.status == 406
    assert "text/csv" in caught.value.detail
    assert "format=" in caught.value.detail


@pytest.mark.parametrize("form", list(Form))
def test_the_parameter_wins_over_accept(form):
    query = f"sort=name&format={form}&limit=3".encode()

    assert form_of(query, "text/html") is form


def test_a_form_that_is_none_is_left_to_those_who_check_parameters():
    assert form_of(b"format=xml", None) is Form.JSON
    assert form_of(b"informat=csv", None) is Form.JSON


def test_parquet_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda _: None)

    with pytest.raises(ApiProblem) as caught:
        form_of(b"format=parquet", None)

    assert caught.value.status == 406
    assert "cryptosource[parquet]" in caught.value.detail
