"""Runs of scripted sources: in this process, or in one that a test can kill.

`python -m support.runs URL FILE` does what the JSON in FILE says and prints the outcome as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link
from sqlalchemy import URL

from cryptosource_etl.clock import Clock, SystemClock
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.load.load_run import LOAD
from cryptosource_etl.pipeline.run.claim import SourceIdentity
from cryptosource_etl.pipeline.run.lifecycle import Run
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.pipeline.run.plan import RunKind, RunPlan
from cryptosource_etl.records import RawRecord
from cryptosource_etl.settings import RunSettings
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.engine import loading_engine
from cryptosource_store.settings import parse_database_url
from support.readers import ScriptedReader, coin

TESTS = Path(__file__).parents[1]
START_SECONDS = 60
"""A process that says nothing for that long is broken."""


def identity(
    name: str = "a", *, scope: str | None = None, source_type: str = "scripted", uid: str = ""
) -> SourceIdentity:
    """Return a source of namespace `test`; its ids are its own unless a scope is given."""
    return SourceIdentity(
        uid=uid or f"uid-{name}",
        namespace="test",
        name=name,
        source_type=source_type,
        id_scope=scope or f"scope-{name}",
    )


def settings(**over: Any) -> RunSettings:
    """Return settings of a run of its own job that looks round often."""
    given = {"job_name": str(uuid.uuid4()), "idle_check_seconds": 0.02, **over}
    return RunSettings(**given)


def make_run(
    url: URL,
    open_reader: Callable[[], SourceReader],
    *,
    kind: RunKind = LOAD,
    source: SourceIdentity | None = None,
    clock: Clock | None = None,
    stop: threading.Event | None = None,
    pins: Mapping[str, str] | None = None,
    reject_limit_percent: float = 100,
    deadline_seconds: float | None = None,
    release: Callable[[], None] = lambda: None,
    parent: Context | None = None,
    links: tuple[Link, ...] = (),
    **over: Any,
) -> Run:
    """Return a run; `over` are fields of its settings."""
    event = stop or threading.Event()
    plan = RunPlan(
        kind=kind,
        source=source or identity(),
        open_reader=open_reader,
        usage=Usage,
        reject_limit_percent=reject_limit_percent,
        pins=dict(pins or {}),
        settings=settings(**over),
        deadline_seconds=deadline_seconds,
        release=release,
        parent=parent,
        links=links,
    )
    return Run(plan, engine=loading_engine(url), clock=clock or SystemClock(event), stop=event)


def load(
    url: URL, records: Sequence[RawRecord], *, batch_size: int = 1000, **options: Any
) -> RunOutcome:
    """Run a scripted source to its end; options as for `make_run` and `ScriptedReader`."""
    reading = {key: options.pop(key) for key in ("received_at", "before_page") if key in options}

    def open_reader() -> ScriptedReader:
        return ScriptedReader(records, batch_size=batch_size, **reading)

    return make_run(url, open_reader, **options).execute()


def _script(coins: Sequence[Mapping[str, Any]], **script: Any) -> Path:
    handle, name = tempfile.mkstemp(suffix=".json")
    with os.fdopen(handle, "w") as file:
        json.dump({"coins": list(coins), **script}, file)
    return Path(name)


@contextmanager
def started(
    url: URL,
    coins: Sequence[Mapping[str, Any]],
    *,
    environ: Mapping[str, str] | None = None,
    **script: Any,
) -> Iterator[subprocess.Popen[str]]:
    """Start a run in a process of its own; it is killed at the end if it still runs.

    Args:
        url: the database.
        coins: keyword arguments of `coin`, with its id as `external_id`.
        environ: added to the environment, as `RunSettings.from_environ` reads it.
        script: `source`, `batch_size`, `wait_before` (page number: waits for a line on standard
            input before it reads that page, after printing "waiting").
    """
    path = _script(coins, **script)
    command = [sys.executable, "-m", "support.runs", url.render_as_string(False), str(path)]
    python_path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    process = subprocess.Popen(
        command,
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": python_path, **(environ or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        path.unlink()


def outcome_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a started run; return what it printed, and its exit code and standard error."""
    out, err = process.communicate(timeout=START_SECONDS)
    lines = [line for line in out.splitlines() if line.startswith("{")]
    printed = json.loads(lines[-1]) if lines else {}
    return {"exit_code": process.returncode, "stderr": err, **printed}


def _main(raw_url: str, path: str) -> int:
    script = json.loads(Path(path).read_text())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    wait_before = script.get("wait_before")

    def before_page(number: int) -> None:
        if number == wait_before:
            print("waiting", flush=True)
            sys.stdin.readline()

    def open_reader() -> ScriptedReader:
        records = [coin(fields.pop("external_id"), **fields) for fields in script["coins"]]
        batch_size = script.get("batch_size", 1000)
        return ScriptedReader(records, batch_size=batch_size, before_page=before_page)

    given = RunSettings.from_environ(os.environ)
    run = make_run(
        parse_database_url(raw_url),
        open_reader,
        source=identity(script.get("source", "a")),
        stop=stop,
        job_name=given.job_name,
        fail_after_records=given.fail_after_records,
        crash_points=given.crash_points,
        holder_silence_seconds=given.holder_silence_seconds,
        heartbeat_seconds=script.get("heartbeat_seconds", 10.0),
        shutdown_seconds=0.2,
    )
    print("started", flush=True)
    outcome = run.execute()
    told = {"status": outcome.status, "reason": outcome.reason, "message": outcome.message}
    print(json.dumps(told), flush=True)
    return outcome.exit_code


if __name__ == "__main__":
    os._exit(_main(*sys.argv[1:]))  # a thread may still wait for its standard input
