"""What runs remember of what their upstream listed, and of why they rejected records."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import URL

from cryptosource_etl.pipeline.observe import upstream_inventory
from support.oracle import execute, rows
from support.readers import coin
from support.runs import load


def passes(url: URL, *lists: str, **options: Any) -> None:
    """Load a pass for each text, with a coin for each of its letters."""
    for letters in lists:
        load(url, [coin(letter, rank=1) for letter in letters], **options)


def listed(url: URL) -> list[tuple[Any, ...]]:
    return rows(
        url,
        "SELECT external_id, from_epoch, until_epoch FROM listings ORDER BY from_epoch, external_id",
    )


def counts(url: URL) -> list[Any]:
    return [row[0] for row in rows(url, "SELECT listed FROM etl_runs ORDER BY started_at")]


def test_an_id_has_a_row_for_each_stretch_of_passes_that_list_it(database: URL) -> None:
    passes(database, "ab", "ab", "bc", "abc")

    assert listed(database) == [("a", 1, 3), ("b", 1, None), ("c", 3, None), ("a", 4, None)]
    assert counts(database) == [2, 2, 2, 3]


def test_a_pass_that_lists_the_same_in_any_order_reads_and_writes_no_listing(
    database: URL,
) -> None:
    passes(database, "abc")
    execute(database, "DELETE FROM listings")

    passes(database, "cab")

    assert (listed(database), counts(database)) == ([], [3, 3])


def test_a_pass_of_many_pages_is_one_pass(database: URL) -> None:
    passes(database, "abcde", "abcd", batch_size=2)

    assert [(row[0], row[2]) for row in listed(database)] == [
        *(("a", None), ("b", None), ("c", None), ("d", None), ("e", 2)),
    ]


def test_a_run_that_was_cut_and_the_one_that_goes_on_say_nothing_of_what_is_listed(
    database: URL,
) -> None:
    passes(database, "abcd", batch_size=2)
    passes(database, "abcd", batch_size=2, fail_after_records=2)  # cut behind b
    passes(database, "abcd", batch_size=2)  # goes on with c
    passes(database, "abc", batch_size=2)

    assert counts(database) == [4, None, None, 3]
    assert listed(database) == [("a", 1, None), ("b", 1, None), ("c", 1, None), ("d", 1, 4)]


def test_an_upstream_that_lists_nothing_at_all_has_not_lost_every_coin(database: URL) -> None:
    passes(database, "ab", "")

    assert counts(database) == [2, None]
    assert [row[2] for row in listed(database)] == [None, None]


def test_a_rejected_record_is_listed_and_one_without_an_id_is_not(database: URL) -> None:
    load(database, [coin("a"), coin("b", bad="Negative"), coin(None, bad="MissingId")])

    assert [row[0] for row in listed(database)] == ["a", "b"]


def test_ids_that_postgres_cannot_hold_are_left_out(database: URL) -> None:
    odd = ("n\0", "s\ud800", "".join(map(chr, range(33, 9000))))
    load(database, [coin("a"), *(coin(each, bad="InvalidId") for each in odd)])

    assert [row[0] for row in listed(database)] == ["a"]


@pytest.mark.parametrize("external_id", ['quote"', "back\\slash", "com,ma", "{brace}", "NULL", ""])
def test_every_other_id_is_kept_whole(database: URL, external_id: str) -> None:
    load(database, [coin(external_id)])
    load(database, [coin("other")])

    assert listed(database)[0] == (external_id, 1, 2)


def test_of_a_pass_with_too_many_ids_nothing_is_kept(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_inventory, "MAX_IDS", 3)

    passes(database, "abcd", "abc", batch_size=2)

    assert counts(database) == [None, 3]


def test_rejected_records_are_counted_by_reason_over_all_pages(database: URL) -> None:
    bad = ["Negative", "NotFinite", "Negative", None, "Negative"]
    load(database, [coin(f"c{n}", bad=reason) for n, reason in enumerate(bad)], batch_size=2)
    load(database, [coin("good")])

    found = rows(database, "SELECT reject_reasons FROM etl_runs ORDER BY started_at")
    assert found == [({"Negative": 3, "NotFinite": 1},), (None,)]
