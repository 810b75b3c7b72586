"""`python -m hack.bench.api`: requests a second of the API beside bare responses of the same bytes.

One million quotes of a hundred thousand coins. Several rounds; in each one every part is asked and,
from the same server process, a bare response of the same status, headers and bytes, now before the
part and now behind it. Read the ratios.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hack.bench.api_exports import (
    FORMS,
    ExportFigures,
    measure_exports,
    show_exports,
    target_of,
)
from hack.bench.api_rows import COINS, OBSERVATIONS, fill
from hack.bench.api_server import write_answer
from hack.bench.process_figures import cpu_seconds
from hack.bench.servers import bench_server
from sqlalchemy import URL

DEPTH = 90_000
SPELLINGS = 2**17
"""More than a part asks in all rounds: a spelling that came again would be answered from memory."""
PAGE = "/data?limit=100"
FRESH, UNCHANGED, CONDITIONAL = "first page, fresh", "unchanged page", "unchanged, If-None-Match"
CURSOR, OFFSET = f"depth {DEPTH} by cursor, fresh", f"depth {DEPTH} by offset, fresh"
SYMBOL, TRACED = "symbol look-up, fresh", "first page, fresh, traced"
TRACED_UNCHANGED = "unchanged page, traced"
EXPORTS = "exports"
TARGETS = {
    UNCHANGED: 0.5,
    CONDITIONAL: 0.7,
    FRESH: 0.07,
    SYMBOL: 0.15,
}
"""Least ratio to a bare response of the same bytes."""
DEEP_P99, TRACED_SHARE = 1.2, 0.75


class Failed(Exception):
    """A part did not do what it is measured for."""


def spelled(target: str, *, least: int = 0) -> list[str]:
    """Return many spellings of one target: equal questions that no cache knows to be equal.

    Letters of the query are written as %xx, as a client may.

    Args:
        target: a path and a query.
        least: where to begin, so that two parts do not share spellings.
    """
    path, _, query = target.partition("?")
    letters = [place for place, mark in enumerate(query) if mark.isalpha()][:18]
    found = []
    for number in range(least, least + SPELLINGS):
        marks = list(query)
        for bit, place in enumerate(letters):
            if number >> bit & 1:
                marks[place] = f"%{ord(marks[place]):02x}"
        found.append(f"{path}?{''.join(marks)}")
    return found


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing to measure."""

    name: str
    targets: list[str]
    headers: list[str] = field(default_factory=list)
    status: int = 200
    traced: bool = False


@dataclass
class Figures:
    """What the rounds gave for one part."""

    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, found: dict[str, float], bare: dict[str, float]) -> None:
        """Take one round."""
        for name, value in found.items():
            self.samples[name].append(value)
        for name in ("per_second", "busy", "server_us"):
            self.samples[f"bare_{name}"].append(bare[name])
        self.samples["ratio"].append(found["per_second"] / bare["per_second"])

    def __getitem__(self, name: str) -> float:
        return statistics.median(self.samples[name])


class Api:
    """A server process that answers.

    Args:
        port: where.
        folder: of the bare responses.
        pid: of the process.
    """

    def __init__(self, port: int, folder: Path, *, pid: int) -> None:
        self.port = port
        self.pid = pid
        self._folder = folder
        self._asked: Counter[str] = Counter()

    def get(self, target: str, headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
        """Ask once."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as link:
            link.request("GET", target, headers=headers or {})
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()

    def cursor_at(self, offset: int) -> str:
        """Return the cursor behind so many coins."""
        _, _, body = self.get(f"/data?limit=100&offset={offset - 100}")
        return str(json.loads(body)["pagination"]["next_cursor"])

    def bare(self, part: Part) -> str:
        """Make the bare response of a part; return where it is answered."""
        headers = dict(line.split(": ", 1) for line in part.headers)
        status, answered, body = self.get(part.targets[0], headers)
        if status != part.status:
            raise Failed(f"{part.name}: {status} {body[:300]!r}")
        name = f"{part.name.replace(' ', '-').replace(',', '')}-{self.port}"
        write_answer(self._folder / name, status=status, headers=answered.items(), body=body)
        return f"/bare/{name}"

    def ask(self, part: Part, targets: list[str], *, options: argparse.Namespace) -> dict[str, Any]:
        """Ask in a process of its own; return its figures."""
        where = self._asked[targets[0]] % len(targets)  # go on where the last round ended
        job = {
            "targets": targets[where:] + targets[:where],
            "headers": part.headers,
            "status": part.status,
            "connections": options.connections,
            "seconds": options.seconds,
        }
        before = cpu_seconds(self.pid)
        found = subprocess.run(
            [sys.executable, "-m", "hack.bench.requests", str(self.port)],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode:
            raise Failed(f"{part.name}: {found.stdout}{found.stderr}")
        figures: dict[str, Any] = json.loads(found.stdout)
        count = figures.pop("count")
        self._asked[targets[0]] += count + options.connections
        figures["server_us"] = (cpu_seconds(self.pid) - before) / max(count, 1) * 1e6
        return figures


@contextmanager
def serving(url: URL, folder: Path, **variables: str) -> Iterator[Api]:
    """Start a server process and end it afterwards."""
    env = {
        **os.environ,
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "LOG_LEVEL": "WARNING",
        "CRYPTOSOURCE_API_RATE_PER_ADDRESS": "10000000",  # counted, never refused
        **variables,
    }
    command = [sys.executable, "-m", "hack.bench.api_server", str(folder)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - asked for
            yield Api(int(process.stdout.readline()), folder, pid=process.pid)
        finally:
            process.terminate()


class _Sink(BaseHTTPRequestHandler):
    """Takes spans and forgets them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Say nothing."""


@contextmanager
def span_sink() -> Iterator[str]:
    """Yield the endpoint of something that receives spans."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sink) as sink:
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{sink.server_address[1]}"
        sink.shutdown()


def parts_of(api: Api) -> list[Part]:
    """Return what is measured."""
    etag = api.get(PAGE)[1]["etag"]
    deep = f"{PAGE}&cursor={api.cursor_at(DEPTH)}"
    return [
        Part(name=FRESH, targets=spelled(PAGE + "&sort=rank&order=asc")),
        Part(name=CURSOR, targets=spelled(deep)),
        Part(name=OFFSET, targets=spelled(f"{PAGE}&offset={DEPTH}&sort=rank&order=asc")),
        Part(name=SYMBOL, targets=spelled("/data?symbol=C777&order=asc&limit=50")),
        Part(name=UNCHANGED, targets=[PAGE]),
        Part(name=CONDITIONAL, targets=[PAGE], headers=[f"If-None-Match: {etag}"], status=304),
        Part(name=TRACED, targets=spelled(PAGE + "&sort=rank&order=asc"), traced=True),
        Part(name=TRACED_UNCHANGED, targets=[PAGE], traced=True),
    ]


def exports_of(api: Api, *, rounds: int) -> dict[str, ExportFigures]:
    """Measure whole exports beside their bare responses."""
    bare = {
        form: api.bare(Part(name=f"export {form}", targets=[target_of(form)])) for form in FORMS
    }
    return measure_exports(api.get, bare, rows=COINS, rounds=rounds)


def measure(
    url: URL, options: argparse.Namespace
) -> tuple[dict[str, Figures], dict[str, ExportFigures]]:
    """Measure every part in each round, then the exports."""
    found: dict[str, Figures] = defaultdict(Figures)
    with (
        tempfile.TemporaryDirectory(prefix="cryptosource-bench-") as folder,
        span_sink() as sink,
        serving(url, Path(folder)) as plain,
        serving(url, Path(folder), OTEL_EXPORTER_OTLP_ENDPOINT=sink) as traced,
    ):
        parts = [part for part in parts_of(plain) if not options.part or part.name in options.part]
        for number, part in itertools.product(range(options.rounds), parts):
            api = traced if part.traced else plain
            asked = [part.targets, [api.bare(part)]]
            order = (0, 1) if number % 2 == 0 else (1, 0)
            figures = {which: api.ask(part, asked[which], options=options) for which in order}
            found[part.name].add(figures[0], figures[1])
        wanted = not options.part or EXPORTS in options.part
        exports = exports_of(plain, rounds=options.rounds) if wanted else {}
    return found, exports


def verdicts(found: dict[str, Figures]) -> list[tuple[str, float, str, float, bool]]:
    """Return (what, figure, at least or at most, target, met)."""
    rows = [
        (f"{name} / bare", found[name]["ratio"], "at least", least, found[name]["ratio"] >= least)
        for name, least in TARGETS.items()
        if name in found
    ]
    if {FRESH, CURSOR} <= found.keys():
        share = found[CURSOR]["p99_ms"] / found[FRESH]["p99_ms"]
        rows.append(
            ("p99 at depth by cursor / first page", share, "at most", DEEP_P99, share <= DEEP_P99)
        )
    for traced, plain in ((TRACED, FRESH), (TRACED_UNCHANGED, UNCHANGED)):
        if {traced, plain} <= found.keys():
            share = found[traced]["per_second"] / found[plain]["per_second"]
            rows.append(
                (f"{traced} / untraced", share, "at least", TRACED_SHARE, share >= TRACED_SHARE)
            )
    return rows


def _show(found: dict[str, Figures]) -> None:
    print(
        f"\n  {'part':32}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'bare/s':>9}{'ratio':>8}"
        f"   lowest..highest{'server µs':>12}{'bare µs':>9}"
    )
    for name, figures in found.items():
        spread = figures.samples["ratio"]
        print(
            f"  {name:32}{figures['per_second']:11.0f}{figures['p50_ms']:9.2f}"
            f"{figures['p99_ms']:9.2f}{figures['bare_per_second']:9.0f}{figures['ratio']:8.3f}"
            f"   {min(spread):.3f}..{max(spread):.3f}    "
            f"{figures['server_us']:12.0f}{figures['bare_server_us']:9.0f}"
        )
    print("\n  µs: processor time of the server's process for a request, without Postgres'\n")
    for what, figure, bound, target, met in verdicts(found):
        print(f"  {what:46}{figure:8.3f}   {bound} {target}: {'met' if met else 'MISSED'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hack.bench.api",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each part in a round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument(
        "--part", action="append", help=f"by its name, or {EXPORTS!r}; default: each"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    return parser.parse_args()


def main() -> int:
    """Measure and print; return 1 when a part did not do its work."""
    options = _arguments()
    try:
        with bench_server() as server, server.database() as url:
            if not options.json:
                print(
                    f"{server.machine()}; {COINS * OBSERVATIONS} quotes, {options.connections} "
                    f"connections, median of {options.rounds} rounds"
                )
            fill(url)
            found, exports = measure(url, options)
            machine = server.machine()
    except Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json:
        samples = {name: figures.samples for name, figures in found.items()}
        files = {form: figures.samples for form, figures in exports.items()}
        whole = {**vars(options), "machine": machine, "parts": samples, "exports": files}
        print(json.dumps(whole, indent=2))
    else:
        _show(found)
        if exports:
            show_exports(exports)
    return 0


if __name__ == "__main__":
    sys.exit(main())
