"""A line of COPY text holds each value in the place of its column."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.pipeline.copy_text import copy_field, copy_text
from cryptosource_etl.pipeline.prepare.change_detection import Accepted, Rejected
from cryptosource_etl.pipeline.prepare.stage_rows import accepted_lines, quote_text, rejected_lines
from cryptosource_etl.pipeline.replay.judgement import Judgement, stage_lines
from cryptosource_etl.pipeline.replay.stored_pages import StoredRow
from cryptosource_etl.records import Quote, RawRecord, Rejection
from cryptosource_store.quote_fields import FIGURE_NAMES, QUOTE_COLUMNS
from cryptosource_store.reasons import RejectReason
from cryptosource_store.statements import page_load, replay

AT = datetime(2026, 11, 1, tzinfo=UTC)
FIGURES = {name: Decimal(f"{n}.50") for n, name in enumerate(FIGURE_NAMES, 10)}
QUOTE = Quote(
    external_id="bit\tcoin",
    symbol="BTC",
    name=None,
    rank=3,
    observed_at=AT,
    inferred_time=True,
    **FIGURES,
)
QUOTE_TEXT = {
    "external_id": r"bit\tcoin",
    "symbol": "BTC",
    "name": r"\N",
    "rank": "3",
    "observed_at": "2026-11-01T00:00:00+00:00",
    "inferred_time": "t",
    **{name: str(figure) for name, figure in FIGURES.items()},
}
REJECTION = Rejection(RejectReason.NEGATIVE, "price", "it is below 0")
RECORD = RawRecord("bit\tcoin", "00ff", None)
STORED = StoredRow(9, AT, "held", AT, "00ff", False, "{}")


def cells(columns: tuple[str, ...], line: str) -> dict[str, str]:
    return dict(zip(columns, line.split("\t"), strict=True))


@given(st.none() | st.text(st.characters() | st.sampled_from("\\\t\n\r\0")))
def test_a_text_is_escaped_as_a_field_is_with_nul_replaced(value: str | None):
    assert copy_text(value) == copy_field(value and value.replace("\0", "\ufffd"))


def test_an_accepted_record_fills_the_stage_of_a_load():
    entry = Accepted(4, False, RECORD, QUOTE)
    text = quote_text(RECORD, QUOTE, lambda _: ('{"a": 1}', False))

    (line,) = accepted_lines([entry], {QUOTE.external_id: 12}, [text])

    assert cells(page_load.STAGE_COLUMNS, line) == {
        "seq": "4",
        "repeated": "f",
        "asset_id": "12",
        "digest": "00ff",
        "scrubbed": "f",
        "payload": '{"a": 1}',
        **QUOTE_TEXT,
    }


def test_a_rejected_record_fills_its_stage():
    (line,) = rejected_lines([Rejected(4, RECORD, REJECTION)], lambda _: ("{}", True))

    assert cells(page_load.REJECT_COLUMNS, line) == {
        "seq": "4",
        "external_id": r"bit\tcoin",
        "digest": "00ff",
        "scrubbed": "t",
        "reason": "Negative",
        "field": "price",
        "detail": "it is below 0",
        "payload": "{}",
    }


def test_a_record_that_is_judged_again_fills_the_stage_of_a_replay():
    assets = {"held": 1, QUOTE.external_id: 2}
    held = {
        "raw_id": "9",
        "ingested_at": "2026-11-01T00:00:00+00:00",
        "held_asset_id": "1",
        "held_external_id": "held",
        "held_observed_at": "2026-11-01T00:00:00+00:00",
        "digest": "00ff",
    }
    judged = [Judgement(STORED, QUOTE), Judgement(STORED, REJECTION), Judgement(STORED, None)]

    accepted, rejected = stage_lines(judged, assets)

    assert cells(replay.STAGE_COLUMNS, accepted) == {
        **held,
        "asset_id": "2",
        **QUOTE_TEXT,
        **dict.fromkeys(Rejection._fields, r"\N"),
    }
    assert cells(replay.STAGE_COLUMNS, rejected) == {
        **held,
        **dict.fromkeys(("asset_id", *QUOTE_COLUMNS), r"\N"),
        "reason": "Negative",
        "field": "price",
        "detail": "it is below 0",
    }
