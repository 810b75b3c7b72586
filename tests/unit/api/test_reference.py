"""docs/reference: a page for each operation, made of the description and current."""

from __future__ import annotations

from hack import api_reference, openapi

PAGES = api_reference.render()


def test_the_pages_are_what_the_description_says():
    written = {path.name: path.read_text("utf-8") for path in api_reference.FOLDER.iterdir()}

    assert written == PAGES, "run make generate"


def test_each_operation_has_a_page_that_the_index_names():
    found = api_reference.operations(openapi.description())

    assert len({each.file for each in found}) == len(found)
    for operation in found:
        assert f"# {operation.title}\n" in PAGES[operation.file]
        assert f"({operation.file})" in PAGES["README.md"]


def test_a_page_tells_parameters_answers_errors_scope_and_caching():
    page = PAGES["get-data.md"]

    assert "| `page_size` | query | integer | ≥ 1, ≤ 100 |" in page
    assert "| `sort` | query | `rank` / `symbol`" in page
    assert "$ curl -s 'localhost:8000/data?limit=1'" in page
    assert "| `data[].price_usd` | number or null |" in page
    assert "| 422 | `urn:cryptosource:problem:invalid-request` |" in page
    assert "**Scope** `read`" in page
    assert "`If-None-Match`" in page
    assert "Idempotency-Key" in PAGES["post-trigger-etl.md"]
