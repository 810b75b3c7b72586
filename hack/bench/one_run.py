"""`python -m hack.bench.one_run MANIFEST`: one run as a Job does it, in a process of its own.

Needs DATABASE_URL. Prints one line of JSON: what the run says, how long it took from its claim to
its last word, and the most memory this process ever held.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

from cryptosource_cli.environment import Environment
from cryptosource_cli.interpreter import tune_garbage_collection, tune_thread_switching
from cryptosource_cli.manifest_files import load_manifests
from cryptosource_cli.run_factory import RunFactory
from cryptosource_etl.pipeline.run.lifecycle import Run
from cryptosource_etl.settings import RunSettings
from cryptosource_store.settings import DatabaseSettings, parse_database_url


def make_run(manifest: Path, url: str, data_dir: Path) -> Run:
    """Return the run that `cryptosource run -f MANIFEST` would do."""
    manifests = load_manifests((manifest,))
    if manifests.problems:
        raise SystemExit("\n".join(map(str, manifests.problems)))
    environment = Environment(
        variables={}, database=DatabaseSettings(), data_dir=data_dir, log_level="WARNING"
    )
    factory = RunFactory.open(
        environment, manifests, parse_database_url(url), stop=threading.Event()
    )
    return factory.run(manifests.sources[0], RunSettings.from_environ({}))


def peak_rss_bytes() -> int:
    """Return the most memory this program held; what its parent held does not count."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Run; return 0 when the run succeeded."""
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(sys.argv[1]), os.environ["DATABASE_URL"], Path(folder))
        tune_garbage_collection()  # as the command does
        tune_thread_switching()
        started = time.perf_counter()
        outcome = run.execute()
        seconds = time.perf_counter() - started
    figures = {
        "status": outcome.status,
        "message": outcome.message,
        "seconds": seconds,
        "loaded": outcome.counts.loaded,
        "unchanged": outcome.counts.unchanged,
        "processed": outcome.counts.processed,
        "peak_rss_bytes": peak_rss_bytes(),
    }
    print(json.dumps(figures))
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
