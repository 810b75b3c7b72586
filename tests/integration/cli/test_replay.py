"""`cryptosource replay` on a CSV whose columns are read differently the second time."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sqlalchemy import URL

from support import postgres as postgres_support
from support.commands import cryptosource, environment
from support.oracle import rows

ROWS = 1500
CRASH_POINTS = ["page-staged", "checkpoint-moved:2", "page-committed:1", "finished"]

DATA = """
  SELECT l.external_id, l.symbol, l.price_usd, l.observed_at, u.price_usd, q.price_usd
    FROM quotes_latest l JOIN unified u USING (asset_id)
    JOIN quotes q ON q.asset_id = l.asset_id AND q.observed_at = l.observed_at
   ORDER BY 1"""
TOTALS = "SELECT total FROM dataset_versions ORDER BY dataset"


def write_manifest(folder: Path, price: str) -> Path:
    path = folder / f"{price}.yaml"
    path.write_text(f"""
apiVersion: cryptosource.io/v1alpha1
kind: CryptoSource
metadata: {{name: prices}}
spec:
  type: CSV
  csv:
    path: prices.csv
    columns: {{symbol: Symbol, name: Symbol, priceUsd: {price}, observedAt: Date}}
  schedule: "@hourly"
""")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("manifests")
    lines = [f"C{number},2021-01-01,{number}.5,{number}.25" for number in range(1, ROWS + 1)]
    (folder / "prices.csv").write_text("\n".join(["Symbol,Date,Open,Close", *lines]) + "\n")
    write_manifest(folder, "Open")
    write_manifest(folder, "Close")
    return folder


@pytest.fixture(scope="module")
def loaded_template(postgres: URL, migrated_template: str, folder: Path):
    """A database into which the closing prices were loaded; the file is gone since then."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        ran = cryptosource("run", "-f", folder / "Close.yaml", env=environment(url, folder))
        assert ran.returncode == 0, ran.stderr
        (folder / "prices.csv").unlink()
        yield str(url.database)


@pytest.fixture
def loaded(postgres: URL, loaded_template: str):
    with postgres_support.database(postgres, template=loaded_template) as url:
        yield url


def test_other_column_is_read_without_the_file(loaded: URL, folder: Path) -> None:
    done = cryptosource(
        "replay", "-f", folder / "Open.yaml", "--source", "prices", env=environment(loaded, folder)
    )

    assert done.returncode == 0, done.stderr
    assert f"{ROWS} stored records judged again: {ROWS} changed, 0 unchanged" in done.stdout
    found = rows(loaded, DATA)
    assert len(found) == ROWS
    assert all(str(row[2]).endswith(".5") and row[2] == row[4] == row[5] for row in found)


def test_same_columns_change_nothing(loaded: URL, folder: Path) -> None:
    before = rows(loaded, DATA)

    done = cryptosource("replay", "-f", folder / "Close.yaml", env=environment(loaded, folder))

    assert f"0 changed, {ROWS} unchanged, 0 rejected" in done.stdout
    assert rows(loaded, DATA) == before


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_killed_anywhere_and_run_again_ends_the_same(loaded: URL, folder: Path, point: str) -> None:
    arguments = ("replay", "-f", folder / "Open.yaml")
    killed = cryptosource(*arguments, env=environment(loaded, folder, CRYPTOSOURCE_CRASH_AT=point))
    assert killed.returncode == -signal.SIGKILL

    again = cryptosource(*arguments, env=environment(loaded, folder))

    assert again.returncode == 0, again.stderr
    assert [str(row[2]) for row in rows(loaded, DATA)] == [
        f"{name[1:]}.5" for (name, *_) in rows(loaded, DATA)
    ]
    assert rows(loaded, TOTALS) == [(ROWS,), (ROWS,)]
    runs = rows(loaded, "SELECT status FROM etl_runs WHERE trigger = 'replay' ORDER BY started_at")
    ended = "success" if point == "finished" else "interrupted"
    assert runs == [(ended,), ("success",)]


def test_without_a_file_it_says_what_to_write(tmp_path: Path) -> None:
    done = cryptosource("replay", "--source", "prices", env=environment(None, tmp_path))

    assert done.returncode == 78
    assert "cryptosource replay -f FILE --source NAME" in done.stderr


def test_source_that_is_not_in_the_file_is_named(loaded: URL, folder: Path) -> None:
    done = cryptosource(
        "replay", "-f", folder / "Open.yaml", "--source", "nobody", env=environment(loaded, folder)
    )

    assert done.returncode == 78
    assert "'nobody'" in done.stderr
    assert "Traceback" not in done.stderr


def test_vendor_source_is_replayed_without_its_key(loaded: URL, folder: Path) -> None:
    manifest = folder / "pro.yaml"
    manifest.write_text("""
apiVersion: cryptosource.io/v1alpha1
kind: CryptoSource
metadata: {name: pro}
spec:
  type: CoinPaprika
  apiKeySecretRef: {name: absent, key: key}
  coinPaprika: {plan: Pro}
  schedule: "@hourly"
""")

    done = cryptosource("replay", "-f", manifest, env=environment(loaded, folder))

    assert done.returncode == 0, done.stderr + done.stdout
    assert "Nothing is stored" in done.stdout
