"""Seven files as their publishers wrote them, through the command, into Postgres and out again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import URL

from support import postgres as postgres_support
from support.commands import cryptosource, environment
from support.csv_files import RECORDED_CSVS, RecordedCsv
from support.manifests import write
from support.oracle import contradictions, counts, rows, value
from support.serving import ServedApi, serving

pytestmark = pytest.mark.recorded
FILES = [pytest.param(recorded, id=recorded.name) for recorded in RECORDED_CSVS]
LOADED = "SELECT processed, rejected FROM etl_runs r JOIN sources s USING (source_id) WHERE s.name = :name"
QUOTES = "SELECT count(*) FROM quotes q JOIN sources s USING (source_id) WHERE s.name = :name"
SPOT = """
  SELECT q.{field} FROM quotes q JOIN asset_aliases a USING (asset_id)
    JOIN sources s USING (source_id)
   WHERE s.name = :name AND a.id_scope = 'csv/crypto/' || s.name
     AND a.external_id = :external_id AND q.observed_at = :at"""

SLUG = """
  SELECT slug FROM assets JOIN asset_aliases USING (asset_id)
   WHERE id_scope = :id_scope AND external_id = :external_id"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, recorded_data: Path) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    for recorded in RECORDED_CSVS:
        write(folder, recorded.manifest(), name=recorded.name)
    return folder


@pytest.fixture(scope="module")
def loaded(postgres: URL, migrated_template: str, folder: Path) -> Iterator[URL]:
    """A database into which `cryptosource run` has loaded every file once."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        for recorded in RECORDED_CSVS:
            ran = cryptosource(
                "run", "-f", folder / f"{recorded.name}.yaml", env=environment(url, folder)
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
        yield url


@pytest.fixture(scope="module")
def api(loaded: URL, folder: Path) -> Iterator[ServedApi]:
    with serving("api", env=environment(loaded, folder), folder=folder, name="api") as api:
        yield api


@pytest.mark.parametrize("recorded", FILES)
def test_every_row_is_read_and_every_observation_stored(loaded: URL, recorded: RecordedCsv) -> None:
    assert rows(loaded, LOADED, name=recorded.name)[0] == (recorded.rows, 0)
    assert rows(loaded, QUOTES, name=recorded.name) == [(recorded.keys,)]


@pytest.mark.parametrize("recorded", FILES)
def test_figures_in_postgres_have_the_digits_of_the_file(
    loaded: URL, recorded: RecordedCsv
) -> None:
    for external_id, at, field, digits in recorded.spots:
        moment = datetime.fromisoformat(at)
        found = rows(
            loaded,
            SPOT.format(field=field),
            name=recorded.name,
            external_id=external_id,
            at=moment,
        )
        assert found == [(Decimal(digits),)], (external_id, at, field)


@pytest.mark.parametrize("recorded", FILES)
def test_figures_from_the_api_have_the_digits_of_the_file(
    loaded: URL, api: ServedApi, recorded: RecordedCsv
) -> None:
    external_id, at, field, digits = recorded.spots[0]
    slug = value(loaded, SLUG, id_scope=f"csv/crypto/{recorded.name}", external_id=external_id)

    history = api.get(f"/data/ANY~{slug}/history", source=recorded.name, start_date=at, end_date=at)

    assert [entry[field] for entry in history["data"]] == [Decimal(digits)]


@pytest.mark.parametrize("recorded", FILES)
def test_second_run_loads_nothing(loaded: URL, folder: Path, recorded: RecordedCsv) -> None:
    before = counts(loaded, "quotes", "raw_records", "rejected_records")

    ran = cryptosource(
        "run", "-f", folder / f"{recorded.name}.yaml", env=environment(loaded, folder)
    )

    assert ran.returncode == 0
    assert "success (NotModified): Nothing new since the last run" in ran.stdout
    assert counts(loaded, "quotes", "raw_records", "rejected_records") == before


def test_tables_do_not_contradict_each_other(loaded: URL) -> None:
    assert contradictions(loaded) == {}
