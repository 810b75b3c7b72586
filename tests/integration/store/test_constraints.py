"""What the database refuses, whoever writes: NaN, infinities, negatives, counts that do not add up."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from cryptosource_store.partitions import ensure_quote_partitions
from cryptosource_store.quote_fields import FIGURES, FieldKind

AMOUNTS = [field.name for field in FIGURES if field.kind is FieldKind.AMOUNT]
CHANGES = [field.name for field in FIGURES if field.kind is FieldKind.PERCENT]


def insert_quote(engine: Engine, **amounts: str | None) -> None:
    columns = {"price_usd": "1", **amounts}
    names = ", ".join(columns)
    values = ", ".join(f"CAST(:{name} AS numeric)" for name in columns)
    with engine.begin() as connection:
        ensure_quote_partitions(connection, [(2026, 1)])
    with engine.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO quotes (asset_id, source_id, observed_at, run_id, raw_id, digest, "
                f"{names}) VALUES (1, 1, '2026-01-05', :id, 1, :id, {values})"
            ),
            {**columns, "id": uuid.uuid4()},
        )


@pytest.mark.parametrize("column", AMOUNTS)
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "-0.000000000000000001"])
def test_no_amount_is_stored_that_is_none(engine: Engine, column: str, value: str):
    with pytest.raises(IntegrityError, match="sane"):
        insert_quote(engine, **{column: value})


@pytest.mark.parametrize("column", CHANGES)
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_no_change_is_stored_that_is_no_number(engine: Engine, column: str, value: str):
    with pytest.raises(IntegrityError, match="sane"):
        insert_quote(engine, **{column: value})


def test_unknown_tiny_huge_and_falling_are_stored_to_the_last_digit(engine: Engine):
    amounts = {
        "price_usd": "0.000000000000000001234567890123456789",
        "market_cap_usd": "1" + "0" * 40,
        "volume_24h_usd": None,
        "percent_change_24h": "-99.999999999999999999",
    }
    insert_quote(engine, **amounts)

    with engine.connect() as connection:
        row = connection.execute(
            text(f"SELECT {', '.join(f'{name}::text' for name in amounts)} FROM quotes")
        ).one()

    assert row._asdict() == amounts


def insert_run(engine: Engine, **columns: object) -> None:
    row = {"status": "success", "finished_at": "2026-01-05", "processed": 0, "loaded": 0, **columns}
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sources (uid, namespace, name, source_type) "
                "VALUES ('u', 'default', 's', 'csv') ON CONFLICT DO NOTHING"
            )
        )
        connection.execute(
            text(
                "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, "
                f"{names}) SELECT gen_random_uuid(), source_id, uid, gen_random_uuid()::text, "
                f"'manual', {values} FROM sources"
            ),
            row,
        )


@pytest.mark.parametrize(
    "columns",
    [
        {"processed": 2, "loaded": 1},
        {"status": "running"},
        {"status": "success", "finished_at": None},
        {"status": "done"},
    ],
)
def test_a_run_row_that_contradicts_itself_is_refused(engine: Engine, columns: dict[str, object]):
    with pytest.raises(IntegrityError):
        insert_run(engine, **columns)


def test_two_runs_of_one_source_cannot_be_running_at_once(engine: Engine):
    insert_run(engine, status="running", finished_at=None)

    with pytest.raises(IntegrityError, match="etl_runs_running_key"):
        insert_run(engine, status="running", finished_at=None)
