"""An error's words are the API's own, whatever Python serves it."""

from __future__ import annotations

import pytest

from cryptosource_api.http.problems import ApiProblem

RFC_9110 = {
    400: "Bad Request",
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    503: "Service Unavailable",
}


def title_of(status: int, **members: str) -> str:
    problem = ApiProblem(status=status, detail="", **members)
    return problem.body(instance="/", request_id="")["title"]


@pytest.mark.parametrize(("status", "title"), RFC_9110.items())
def test_a_problem_without_a_title_is_called_as_rfc_9110_calls_its_status(status: int, title: str):
    assert title_of(status) == title


@pytest.mark.parametrize(
    ("status", "title"), [(418, "Bad Request"), (599, "Internal Server Error")]
)
def test_a_status_without_a_name_is_called_as_its_class(status: int, title: str):
    assert title_of(status) == title


def test_a_problem_with_a_title_keeps_it():
    assert title_of(413, title="The export would be too long") == "The export would be too long"
