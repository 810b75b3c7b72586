from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_crd.documents import MAX_TEXT_LENGTH, DocumentError, read_documents
from cryptosource_crd.explanations import closest, explain_syntax, render_path


def test_documents_are_counted_and_empty_ones_left_out():
    found = read_documents("a: 1\n---\n---\n# nothing\n---\nb: 2\n")

    assert [document.value for document in found] == [{"a": 1}, {"b": 2}]
    assert [document.index for document in found] == [1, 4]


def test_a_path_leads_to_its_line():
    (document,) = read_documents("a:\n  b:\n    - x\n    - y\n  c: 1\n")

    assert document.line_of(()) == 1
    assert document.line_of(("a", "c")) == 5
    assert document.line_of(("a", "b", 1)) == 4
    assert document.line_of(("a", "missing", "deeper")) == 1


def test_lines_go_on_through_the_documents_of_a_file():
    _, second = read_documents("a: 1\n---\nb: 2\nc: 3\n")

    assert second.line_of(("c",)) == 4


def test_a_list_gives_its_items_with_their_lines():
    (document,) = read_documents("items:\n  - a: 1\n  - a: 2\n    b: 3\n")

    item = document.item("items", 1)

    assert item.value == {"a": 2, "b": 3}
    assert item.line_of(("b",)) == 4


def test_times_stay_text_as_for_the_api_server():
    (document,) = read_documents("at: 2026-01-01T00:00:00Z\nday: 2026-01-01\n")

    assert document.value == {"at": "2026-01-01T00:00:00Z", "day": "2026-01-01"}


def test_json_with_tabs_is_read():
    (document,) = read_documents('{\n\t"a": [1, 2],\n\t"b": null\n}')

    assert document.value == {"a": [1, 2], "b": None}


BILLION = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED = {
    "a: [1, 2": ("expected", 1, 1),
    "a: 1\nb: [": ("expected", 2, 1),
    "a: 1\n---\nb: 1\n c: 2\n": ("mapping values", 4, 2),
    "a:\n\tb: 1\n": ("tab", 2, 1),
    "a: 1\na: 2\n": ("'a' is given twice", 2, 1),
    "a: 1\n---\nb: {c: 1, c: 2}\n": ("'c' is given twice", 3, 2),
    "? [a]\n: 1\n": ("plain string", 1, 1),
    "a: *nobody\n": ("undefined alias", 1, 1),
    "a: &a [*a]\n": ("refers to what contains it", 1, 1),
    "a: !!python/object/apply:os.system [id]\n": ("could not determine a constructor", 1, 1),
    "a: \x01\n": ("character", None, 1),
    BILLION: ("aliases are unfolded", None, 1),
    "[" * 5000: ("nested too deeply", None, 1),
    "a: " + "[" * 3000 + "]" * 3000: ("nested too deeply", None, 1),
    "a: " + "9" * 5000: ("cannot be read", None, 1),
    "a" * (MAX_TEXT_LENGTH + 1): ("larger than 4 MiB", None, 1),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_not_yaml_or_too_much_is_refused_with_its_line(text, expected):
    message, line, document = expected
    with pytest.raises(DocumentError) as caught:
        read_documents(text)

    assert message in caught.value.message
    assert (caught.value.line, caught.value.document) == (line, document)


def test_a_syntax_error_is_one_line():
    problem = explain_syntax(DocumentError("expected ','", line=7, document=2), file="a.yaml")

    assert str(problem) == "a.yaml:7: not readable: expected ','"
    assert problem.document == 2


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@,? \n\t\x00é"), max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        documents = read_documents(text)
    except DocumentError as error:
        assert error.message  # noqa: PT017 - either outcome is right
        return
    assert all(document.line_of(("x", 0, "y")) >= 1 for document in documents)


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("spec",), "spec"), (("a", 2, "b"), "a[2].b"), (("pins", "btc"), "pins.btc")],
)
def test_a_path_is_written_as_people_write_it(path, text):
    assert render_path(path) == text


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("pricUsd", "priceUsd"),
        ("PRICEUSD", "priceUsd"),
        ("api", "apiKey"),
        ("zz", None),
        ("", None),
    ],
)
def test_the_closest_name_is_found_whatever_its_case(word, near):
    assert closest(word, ["apiKey", "priceUsd"]) == near
