"""`python -m hack.bench.ingest`: rows a second of the load path beside two floors, in one run.

Everything is measured: several rounds, each with fresh databases, the parts in turn within a
round, so that whatever else the machine does falls on all of them. Read the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.bench.files import HISTORY, SHAPES, SNAPSHOT, Pass, write_csv, write_manifest
from hack.bench.one_run import make_run
from hack.bench.recording import Sent, recording, replay
from hack.bench.row_by_row import PAGE, load_pages, rows_of
from hack.bench.servers import Server, bench_server, scalar
from sqlalchemy import URL

FIRST, SAME, CHANGED = "first load", "unchanged", "all prices changed"
FLOOR, SENT_ALL = "server-only floor", "server-only, with look-ups"
VALUES, ROW_BY_ROW = "insert().values([…])", "row by row"
CHECKS = (
    "SELECT count(*) FROM raw_records",
    "SELECT count(*) FROM quotes",
    """SELECT md5(string_agg(u::text, '' ORDER BY asset_id)) FROM (
         SELECT asset_id, symbol, name, rank, price_usd, observed_at, source_ids FROM unified) u""",
    """SELECT md5(string_agg(t::text, '' ORDER BY ticker)) FROM (
         SELECT ticker, asset_id FROM tickers) t""",
)
"""What two databases that were loaded alike agree on."""


class Failed(Exception):
    """A part did not do what it is measured for."""


@dataclass
class Samples:
    """What the rounds of one shape gave."""

    rates: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Rows a second, by part."""
    wal: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Bytes of WAL a row, by part."""

    def rate(self, part: str) -> float:
        """Return the median."""
        return statistics.median(self.rates[part])


@dataclass(frozen=True, kw_only=True)
class Files:
    """The upstream of one source, as files."""

    folder: Path
    rows: int
    shape: str

    @property
    def csv(self) -> Path:
        """The file that the source reads."""
        return self.folder / "rows.csv"

    @property
    def manifest(self) -> Path:
        """The source."""
        return self.folder / "source.yaml"

    def write(self, *, price_seed: int = 0) -> None:
        """Put a file in place."""
        write_csv(self.csv, Pass(shape=self.shape, rows=self.rows, price_seed=price_seed))


def one_run(manifest: Path, url: URL) -> dict[str, Any]:
    """Run a source in a process of its own; return what it reported.

    Raises:
        Failed: the run did not succeed.
    """
    found = subprocess.run(
        [sys.executable, "-m", "hack.bench.one_run", str(manifest)],
        env={**os.environ, "DATABASE_URL": url.render_as_string(hide_password=False)},
        check=False,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise Failed(found.stdout + found.stderr)
    figures: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return figures


class Bench:
    """Measures one shape of file.

    Args:
        server: where.
        files: what.
        subset: rows of the part that goes row by row.
    """

    def __init__(self, server: Server, files: Files, *, subset: int) -> None:
        self._server = server
        self._files = files
        self._subset = subset
        self._sent: list[Sent] = []
        self._expected: list[object] = []
        self.samples = Samples()

    def prepare(self) -> None:
        """Record what a run sends, and what the database holds then."""
        self._files.write()
        with self._server.database() as url, recording() as sent:
            make_run(self._files.manifest, str(url), self._files.folder).execute()
            self._sent = list(sent)
            self._expected = [scalar(url, check) for check in CHECKS]

    def round(self) -> None:
        """Measure every part once."""
        self._files.write()
        with self._server.database() as url:
            self._pass(FIRST, url, "loaded")
            os.utime(self._files.csv)
            self._pass(SAME, url, "unchanged")
            self._files.write(price_seed=1)
            self._pass(CHANGED, url, "loaded")
        self._files.write()
        self._floor(FLOOR, look_ups=False)
        self._floor(SENT_ALL, look_ups=True)
        if self._files.shape == SNAPSHOT:
            self._naive(VALUES, rows=10 * self._subset, page=PAGE)
            self._naive(ROW_BY_ROW, rows=self._subset, page=1)

    def _pass(self, part: str, url: URL, outcome: str) -> None:
        before = self._server.wal_bytes()
        figures = one_run(self._files.manifest, url)
        if figures[outcome] != self._files.rows:
            raise Failed(f"{part}: {figures}")
        self.samples.rates[part].append(self._files.rows / figures["seconds"])
        written = self._server.wal_bytes() - before
        self.samples.wal[part].append(written / self._files.rows)

    def _floor(self, part: str, *, look_ups: bool) -> None:
        with self._server.database() as url:
            seconds = replay(url, self._sent, look_ups=look_ups)
            found = [scalar(url, check) for check in CHECKS]
        if found != self._expected:
            raise Failed(f"{part} did not load what the run had loaded: {found}")
        self.samples.rates[part].append(self._files.rows / seconds)

    def _naive(self, part: str, *, rows: int, page: int) -> None:
        with self._server.database() as url:
            parsed = rows_of(self._files.csv, rows)
            seconds = load_pages(url, parsed, page=page)
        self.samples.rates[part].append(len(parsed) / seconds)


def peak_memory(server: Server, folder: Path, rows: int, *, batch_size: int) -> dict[str, Any]:
    """Load a history of that many rows; return the run's report."""
    files = Files(folder=folder, rows=rows, shape=HISTORY)
    files.write()
    write_manifest(files.manifest, files.csv, batch_size=batch_size)
    with server.database() as url:
        figures = one_run(files.manifest, url)
    files.csv.unlink()
    if figures["loaded"] != rows:
        raise Failed(f"{rows} rows for memory: {figures}")
    return figures


def ratios(samples: Samples) -> dict[str, float]:
    """Return the figures that can be compared between machines."""
    first, floor = samples.rate(FIRST), samples.rate(FLOOR)
    found = {
        "first load / server-only floor": first / floor,
        "first load / server-only floor with look-ups": first / samples.rate(SENT_ALL),
        "unchanged / server-only floor": samples.rate(SAME) / floor,
        "unchanged / first load": samples.rate(SAME) / first,
        "all prices changed / server-only floor": samples.rate(CHANGED) / floor,
    }
    for part in (VALUES, ROW_BY_ROW):
        if part in samples.rates:
            found[f"first load / {part}"] = first / samples.rate(part)
    return found


def _show(shape: str, samples: Samples, *, rows: int, batch_size: int) -> None:
    print(f"\n{shape}: {rows} rows, batchSize {batch_size}")
    print(f"  {'part':34}{'rows/s':>9}   lowest..highest   WAL B/row")
    for part, rates in samples.rates.items():
        wal = f"{statistics.median(samples.wal[part]):9.1f}" if part in samples.wal else ""
        spread = f"{min(rates):.0f}..{max(rates):.0f}"
        print(f"  {part:34}{samples.rate(part):9.0f}   {spread:>15}   {wal}")
    for name, ratio in ratios(samples).items():
        print(f"  {name:50}{ratio:8.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hack.bench.ingest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--memory-rows", type=int, default=5_000_000, help="0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=1000)
    parser.add_argument("--subset", type=int, default=2000, help="rows that go row by row")
    parser.add_argument("--shape", choices=SHAPES, action="append", help="default: each")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    return parser.parse_args()


def _measure_shape(server: Server, options: argparse.Namespace, shape: str) -> Samples:
    with tempfile.TemporaryDirectory(prefix="cryptosource-bench-") as folder:
        files = Files(folder=Path(folder), rows=options.rows, shape=shape)
        write_manifest(files.manifest, files.csv, batch_size=options.batch_size)
        bench = Bench(server, files, subset=options.subset)
        bench.prepare()
        for _ in range(options.rounds):
            bench.round()
        return bench.samples


def _measure_memory(server: Server, options: argparse.Namespace) -> dict[int, dict[str, Any]]:
    found = {}
    for rows in dict.fromkeys((min(100_000, options.memory_rows), options.memory_rows)):
        with tempfile.TemporaryDirectory(prefix="cryptosource-bench-") as folder:
            found[rows] = peak_memory(server, Path(folder), rows, batch_size=options.batch_size)
    return found


def main() -> int:
    """Measure and print; return 1 when a part did not do its work."""
    options = _arguments()
    report: dict[str, Any] = {"shapes": {}, "memory": {}}
    try:
        with bench_server() as server:
            report["machine"] = server.machine()
            if not options.json:
                print(f"{report['machine']}; median of {options.rounds} rounds")
            for shape in options.shape or SHAPES:
                samples = _measure_shape(server, options, shape)
                report["shapes"][shape] = {
                    "rows_per_second": samples.rates,
                    "wal_bytes_per_row": samples.wal,
                    "ratios": ratios(samples),
                }
                if not options.json:
                    _show(shape, samples, rows=options.rows, batch_size=options.batch_size)
            if options.memory_rows:
                report["memory"] = _measure_memory(server, options)
    except Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({**vars(options), **report}, indent=2))
    else:
        for rows, figures in report["memory"].items():
            print(
                f"\npeak memory of a run over {rows} rows of a history: "
                f"{figures['peak_rss_bytes'] / 2**20:.1f} MiB, {rows / figures['seconds']:.0f} rows/s"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
