"""`python -m hack.bench.operating`: what a thousand CryptoSources ask of the operator.

A real API server with real controllers and no nodes, a real Postgres, the operator as a process of
its own with its default settings. Beside it, in the same run, a bare loop that makes the same
objects with the same client: the floor. All of them share the machine's cores, so read the ratio,
and the load average beside the seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from hack.bench import audit, crowd, planes, run_ends
from hack.bench.operators import Operator, operating
from hack.bench.planes import Plane
from hack.bench.seen import Seen, converged, seeing
from hack.bench.servers import Server, bench_server
from hack.cluster.errors import ClusterError
from sqlalchemy import URL

from cryptosource_operator.api_client import MAX_CONNECTIONS, ApiClient

PATIENCE_SECONDS = 900
"""What takes longer has failed."""
QUIET_SECONDS = 5.0
EDITED_SUSPEND = True
"""While the operator is away one CronJob is changed by hand; a restart is over when it is put right."""


class Failed(Exception):
    """A part did not do what it is measured for."""


@dataclass
class Figures:
    """What the rounds gave."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_seconds: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """Of each process, by part."""
    ratios: list[float] = field(default_factory=list)
    """Create / floor, of each round."""
    peak_rss_bytes: list[int] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    """Load average over a minute, before each round: who else is at work."""
    calls_per_source: dict[str, float] = field(default_factory=dict)
    calls_per_minute_at_rest: dict[str, float] = field(default_factory=dict)
    lag_seconds: dict[str, dict[str, float]] = field(default_factory=dict)


CREATE, FLOOR, RESTART = "create", "bare loop", "restart"


class Round:
    """One round, with a control plane and a database of its own.

    Args:
        server: where the database is.
        options: the command's.
        figures: where to write down.
        last: measure also what is measured once.
    """

    def __init__(
        self, server: Server, options: argparse.Namespace, figures: Figures, *, last: bool
    ) -> None:
        self._server, self._options, self._figures, self._last = server, options, figures, last

    async def run(self, log: Path) -> None:
        """Measure."""
        self._figures.load.append(os.getloadavg()[0])
        with planes.fresh_plane() as plane:
            async with planes.client(plane.control.kubeconfig) as api:
                await planes.furnish(plane, api)
            await self._floor(plane)
        with planes.fresh_plane() as plane, self._server.database() as url:
            async with AsyncExitStack() as stack:
                api = await stack.enter_async_context(planes.client(plane.control.kubeconfig))
                await planes.furnish(plane, api)
                seen = await stack.enter_async_context(
                    seeing(planes.credentials(plane.control.kubeconfig))
                )
                await self._life(plane, api, seen, url, log)
        ratio = self._figures.seconds[CREATE][-1] / self._figures.seconds[FLOOR][-1]
        self._figures.ratios.append(ratio)

    async def _floor(self, plane: Plane) -> None:
        before = plane.cpu()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hack.bench.bare_loop",
            str(plane.control.kubeconfig),
            str(self._options.sources),
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        if process.returncode:
            raise Failed("the bare loop has failed; see above")
        report = json.loads(printed)
        self._figures.seconds[FLOOR].append(report["seconds"])
        self._use(FLOOR, plane, before, client=report["cpu_seconds"])

    async def _life(self, plane: Plane, api: ApiClient, seen: Seen, url: URL, log: Path) -> None:
        async with operating(plane.operator_kubeconfig, url, log) as operator:
            await operator.ready()
            await self._create(plane, api, seen, operator)
            if self._last:
                await self._rest(plane, seen)
                await self._run_ends(url, seen)
            self._figures.peak_rss_bytes.append(operator.peak_rss_bytes())
        for _ in range(self._options.restarts):
            await self._restart(plane, api, seen, url, log)

    async def _create(self, plane: Plane, api: ApiClient, seen: Seen, operator: Operator) -> None:
        count = self._options.sources
        before, used, moment = plane.cpu(), operator.cpu(), audit.now()
        began = time.perf_counter()
        done = asyncio.create_task(seen.all_of(count, converged))
        await asyncio.sleep(0)
        await create_all(api, count)
        created = time.perf_counter()
        last = max((await done).values())
        self._figures.seconds[CREATE].append(last - began)
        self._figures.seconds["of that, after the last was created"].append(last - created)
        self._use(CREATE, plane, before, client=operator.cpu() - used)
        await self._quiet(plane, seen)
        calls = audit.calls_between(plane.audit_log, moment, audit.now())
        self._figures.calls_per_source = {
            f"{verb} {resource}": number / count for (verb, resource), number in calls.items()
        }

    async def _quiet(self, plane: Plane, seen: Seen) -> None:
        """Wait until nothing is written any more; events come last."""
        pause = timedelta(seconds=QUIET_SECONDS)
        while True:
            await seen.quiet(QUIET_SECONDS)
            now = audit.now()
            if not audit.writes(audit.calls_between(plane.audit_log, now - pause, now)):
                return
            await asyncio.sleep(1)

    async def _rest(self, plane: Plane, seen: Seen) -> None:
        seconds = self._options.rest_seconds
        await self._quiet(plane, seen)
        since = audit.now()
        await asyncio.sleep(seconds)
        calls = audit.calls_between(plane.audit_log, since, since + timedelta(seconds=seconds))
        self._figures.calls_per_minute_at_rest = {
            "reads": audit.reads(calls) * 60 / seconds,
            "writes": audit.writes(calls) * 60 / seconds,
        }

    async def _run_ends(self, url: URL, seen: Seen) -> None:
        rates = {f"{self._options.ends_per_second} a second": self._options.ends_per_second}
        for name, rate in {**rates, "all at once": None}.items():
            lags = (await run_ends.measure(url, seen, per_second=rate)).lags()
            self._figures.lag_seconds[name] = {
                "p50": run_ends.quantile(lags, 0.5),
                "p99": run_ends.quantile(lags, 0.99),
                "longest": lags[-1],
            }

    async def _restart(self, plane: Plane, api: ApiClient, seen: Seen, url: URL, log: Path) -> None:
        edited = next(iter(seen.sources.values()))["metadata"]
        space, name = edited["namespace"], edited["name"]
        path = f"/apis/batch/v1/namespaces/{space}/cronjobs/{name}"
        await api.merge(path, {"spec": {"suspend": EDITED_SUSPEND}})
        before = plane.cpu()
        async with operating(plane.operator_kubeconfig, url, log) as operator:
            last = await operator.looked_at(self._options.sources)
            self._figures.seconds[RESTART].append(last - operator.began)
            self._use(RESTART, plane, before, client=operator.cpu())
            found = await api.get(path)
            if found is None or found["spec"]["suspend"] is EDITED_SUSPEND:
                raise Failed("an edit by hand has outlived a restart")
            self._figures.peak_rss_bytes.append(operator.peak_rss_bytes())

    def _use(self, part: str, plane: Plane, before: Mapping[str, float], *, client: float) -> None:
        used = {name: after - before[name] for name, after in plane.cpu().items()}
        for name, seconds in ({"client": client} | used).items():
            self._figures.cpu_seconds[part][name].append(seconds)


async def create_all(api: ApiClient, count: int) -> None:
    """Create the sources, as many at a time as the client lets through."""
    todo = iter(crowd.manifests(count))

    async def work() -> None:
        for manifest in todo:
            sources = crowd.collection(manifest["metadata"])
            await planes.patiently(partial(api.create, sources, manifest))

    await asyncio.gather(*(work() for _ in range(MAX_CONNECTIONS)))


def _spread(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return f"{statistics.median(ordered):8.2f}   {ordered[0]:.2f}..{ordered[-1]:.2f}"


def _show(figures: Figures, options: argparse.Namespace) -> None:
    print(f"{options.sources} sources, median and range; load average {figures.load}")
    for part, seconds in figures.seconds.items():
        print(f"  {part:42}{_spread(seconds)} s")
    print(f"  {'create / bare loop':42}{_spread(figures.ratios)}")
    memory = max(figures.peak_rss_bytes) / 2**20
    print(f"  {'peak memory of the operator':42}{memory:8.1f} MiB")
    for part, used in figures.cpu_seconds.items():
        each = ", ".join(f"{name} {statistics.median(cpu):.2f}" for name, cpu in used.items())
        print(f"  CPU seconds, {part}: {each}")
    print("  calls per source on create: " + _listed(figures.calls_per_source))
    if figures.calls_per_minute_at_rest:
        print("  calls per minute at rest: " + _listed(figures.calls_per_minute_at_rest))
    for name, lags in figures.lag_seconds.items():
        print(f"  seconds from the end of a run to its status, {name}: {_listed(lags)}")


def _listed(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number:.3g}" for name, number in sorted(numbers.items()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hack.bench.operating",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--restarts", type=int, default=3, help="in each round")
    parser.add_argument("--rest-seconds", type=float, default=180.0)
    parser.add_argument("--ends-per-second", type=float, default=20.0)
    parser.add_argument("--brief", action="store_true", help="neither rest nor ends of runs")
    parser.add_argument("--log", type=Path, help="where the operator's log is kept")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    return parser.parse_args()


async def _measure(server: Server, options: argparse.Namespace, log: Path) -> Figures:
    figures = Figures()
    for number in range(options.rounds):
        last = number == options.rounds - 1 and not options.brief
        async with asyncio.timeout(PATIENCE_SECONDS + last * 2 * options.rest_seconds):
            await Round(server, options, figures, last=last).run(log)
    return figures


def main() -> int:
    """Measure and print; return 1 when a part did not do its work."""
    options = _arguments()
    try:
        with tempfile.TemporaryDirectory() as folder, bench_server() as server:
            log = options.log or Path(folder) / "operator.log"
            machine: dict[str, Any] = {"machine": server.machine()}
            figures = asyncio.run(_measure(server, options, log))
    except (Failed, ClusterError, TimeoutError) as error:
        print(f"bench: {str(error) or 'it took too long'}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({**machine, **asdict(figures)}, indent=2))
    else:
        print(machine["machine"])
        _show(figures, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
