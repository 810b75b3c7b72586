"""`cryptosource up` stopped, started again, left running, watched on a terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from support.commands import COMMAND, environment
from support.manifests import csv, paprika, row, write, write_rows
from support.market import RunningMarket
from support.oracle import rows
from support.serving import ServedApi, serving
from support.waits import eventually

STOP_SECONDS = 15
"""A person who pressed Ctrl-C waits no longer than that."""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder that the embedded Postgres can use, whoever runs the test."""
    with tempfile.TemporaryDirectory(prefix="cryptosource-up-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        _stop_server_left_in(Path(folder))


def _stop_server_left_in(data_dir: Path) -> None:
    """End a server that a failing test has left behind."""
    pid_file = data_dir / "postgres" / "postmaster.pid"
    if pid_file.exists():
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)  # fast shutdown
        eventually(lambda: not pid_file.exists())


def processes_that_name(text: str) -> list[str]:
    """Return the command lines of living processes in which the text occurs."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def test_ctrl_c_leaves_no_process_and_the_next_start_goes_on(
    data_dir: Path, tmp_path: Path, market: RunningMarket
) -> None:
    file = write_rows(tmp_path / "coins.csv", map(row, range(1, 26)))
    manifest = write(tmp_path, csv(file), paprika(market.paprika_url))
    env = environment(None, data_dir)

    with serving("up", "-f", manifest, env=env, folder=tmp_path, name="first") as api:
        api.finish_first_runs()
        assert api.total() == 50
        assert processes_that_name(str(data_dir)), "the server names its folder"
        api.command.signal(signal.SIGINT)
        assert api.command.wait(STOP_SECONDS) == 0
    assert "Stopping" in api.command.stdout
    assert "Traceback" not in api.command.stderr
    assert processes_that_name(str(data_dir)) == []

    with serving("up", "-f", manifest, env=env, folder=tmp_path, name="second") as again:
        again.finish_first_runs()
        stats = again.stats
        total = again.total()
        again.command.signal(signal.SIGTERM)
        assert again.command.wait(STOP_SECONDS) == 0
    assert total == 50
    for source in ("file", "paprika"):
        assert stats[source]["last_run"]["reason"] == "NotModified"
        assert stats[source]["runs"] == 2
        assert stats[source]["loaded"] == 25
    assert processes_that_name(str(data_dir)) == []


def test_ctrl_c_while_a_vendor_drips_interrupts_its_run(
    database: URL, env, tmp_path: Path, market: RunningMarket
) -> None:
    market.control.fault("drip", bytes_per_second=100)
    manifest = write(tmp_path, paprika(market.paprika_url))
    with serving("up", "-f", manifest, env=env, folder=tmp_path) as api:
        eventually(lambda: market.log)
        api.command.signal(signal.SIGINT)
        assert api.command.wait(STOP_SECONDS) == 0

    assert rows(database, "SELECT status, reason FROM etl_runs") == [("interrupted", "Terminated")]
    assert rows(database, "SELECT count(*) FROM raw_records") == [(0,)]
    assert "Traceback" not in api.command.stderr


def run_killed_then_stopped(data_dir: Path, folder: Path) -> ServedApi:
    """Kill a first `up`, start a second one and stop it; return the second."""
    manifest = write(folder, csv(write_rows(folder / "coins.csv", map(row, range(1, 26)))))
    env = environment(None, data_dir)
    with serving("up", "-f", manifest, env=env, folder=folder, name="killed") as api:
        api.finish_first_runs()
        api.command.signal(signal.SIGKILL)
        api.command.wait()
    with serving("up", "-f", manifest, env=env, folder=folder, name="next") as again:
        again.finish_first_runs()
        assert again.total() == 25
        assert again.stats["file"]["last_run"]["reason"] == "NotModified"
        again.command.signal(signal.SIGINT)
        assert again.command.wait(STOP_SECONDS) == 0
    return again


def test_database_of_a_killed_up_is_taken_over(data_dir: Path, tmp_path: Path) -> None:
    again = run_killed_then_stopped(data_dir, tmp_path)

    assert "Traceback" not in again.command.stderr


def test_server_of_a_killed_up_ends_with_the_one_that_took_over(
    data_dir: Path, tmp_path: Path
) -> None:
    run_killed_then_stopped(data_dir, tmp_path)

    assert processes_that_name(str(data_dir)) == []


def test_schedule_runs_the_source_again_at_the_next_minute(
    database: URL, env, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "coins.csv", map(row, range(1, 26)))
    often = {"schedule": "* * * * *"}
    manifest = write(
        tmp_path,
        csv(file, name="minutely", **often),
        csv(file, name="later", runOnCreate=False, **often),
        csv(file, name="never", suspend=True, **often),
    )
    runs = """
      SELECT s.name, r.trigger, r.status, r.reason, extract(second FROM r.started_at)
        FROM etl_runs r JOIN sources s USING (source_id) WHERE trigger = :trigger ORDER BY 1"""
    with serving("up", "-f", manifest, env=env, folder=tmp_path) as api:
        api.finish_first_runs()
        assert [name for name, *_ in rows(database, runs, trigger="create")] == ["minutely"]
        eventually(
            lambda: (
                {row[:3] for row in rows(database, runs, trigger="schedule")}
                >= {("minutely", "schedule", "success"), ("later", "schedule", "success")}
            ),
            seconds=70,
        )
        names = {name for name, *_ in rows(database, runs, trigger="schedule")}
        assert "next run at" in api.command.stdout

    assert names == {"minutely", "later"}


def test_terminal_shows_bars_and_a_table(env, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "coins.csv", map(row, range(1, 26)))
    manifest = write(tmp_path, csv(file, name="sample"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(COMMAND), "up", "-f", str(manifest), "--once"],
        env={**env, "TERM": "xterm-256color", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = "".join(_screen(ours))

    assert process.wait(60) == 0
    assert "\x1b[" in shown
    assert "SOURCE" in shown
    assert "crypto/sample" in shown
    assert "Completed" in shown
    assert "running" not in shown, "no plain lines between the bars"
    assert "Traceback" not in shown


def _screen(terminal: int) -> Iterator[str]:
    """Yield what appears on a terminal until the last process has left it."""
    while True:
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # EIO: nobody holds the other side any more
            break
        if not data:
            break
        yield data.decode(errors="replace")
    os.close(terminal)
