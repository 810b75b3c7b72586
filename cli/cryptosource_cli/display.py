"""The output of `up` during runs: progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cryptosource_cli.manifest_files import LoadedSource
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.pipeline.run.plan import Progress as RunProgress
from cryptosource_store.reasons import RunStatus

_COLOURS = {RunStatus.SUCCESS: "green", RunStatus.SKIPPED: "cyan", RunStatus.FAILURE: "red"}


class Display(Protocol):
    """Shows the progress of runs. Its methods are called from several threads."""

    def live(self) -> AbstractContextManager[object]:
        """Return the context manager in which the first runs are made."""
        ...

    def run_began(self, loaded: LoadedSource) -> None:
        """Show that a run has begun."""
        ...

    def page_loaded(self, loaded: LoadedSource, progress: RunProgress) -> None:
        """Show that a page is committed."""
        ...

    def run_ended(self, loaded: LoadedSource, outcome: RunOutcome) -> None:
        """Show the outcome of a run."""
        ...


def _line(loaded: LoadedSource, outcome: RunOutcome) -> str:
    name = "/".join(loaded.key)
    seconds = f"{outcome.seconds:.1f} s"
    return f"{name}: {outcome.status} ({outcome.reason}) in {seconds}: {outcome.message}"


class PlainDisplay:
    """Prints a line at the beginning and at the end of each run."""

    def live(self) -> AbstractContextManager[object]:
        """Return a context manager that does nothing."""
        return nullcontext()

    def run_began(self, loaded: LoadedSource) -> None:
        """Print a line."""
        click.echo(f"{'/'.join(loaded.key)}: running")

    def page_loaded(self, loaded: LoadedSource, progress: RunProgress) -> None:
        """Print nothing."""

    def run_ended(self, loaded: LoadedSource, outcome: RunOutcome) -> None:
        """Print a line."""
        click.echo(_line(loaded, outcome), err=outcome.exit_code != 0)


class TerminalDisplay:
    """Shows a progress bar per source during the first runs, and prints a line for later ones."""

    def __init__(self) -> None:
        self._console = Console()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:24}"),
            BarColumn(),
            TextColumn("{task.completed:>9,.0f} records"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def live(self) -> AbstractContextManager[object]:
        """Return the progress bars."""
        return self._progress

    def run_began(self, loaded: LoadedSource) -> None:
        """Add a bar, the first time."""
        if loaded.key not in self._tasks:
            name = loaded.key[1]
            self._tasks[loaded.key] = self._progress.add_task(name, total=None, note="")

    def page_loaded(self, loaded: LoadedSource, progress: RunProgress) -> None:
        """Move the bar."""
        task = self._tasks[loaded.key]
        self._progress.update(task, completed=progress.counts.processed, total=progress.total)

    def run_ended(self, loaded: LoadedSource, outcome: RunOutcome) -> None:
        """Fill the bar; after the first runs, print a line."""
        if not self._progress.live.is_started:
            self._console.print(Text(_line(loaded, outcome)))
            return
        done = max(outcome.counts.processed, 1)
        self._progress.update(
            self._tasks[loaded.key],
            total=done,
            completed=done if outcome.exit_code == 0 else outcome.counts.processed,
            note=f"[{_COLOURS.get(outcome.status, 'yellow')}]{outcome.reason}",
        )


def make_display() -> Display:
    """Return the display that fits standard output."""
    return TerminalDisplay() if sys.stdout.isatty() else PlainDisplay()


def print_outcomes(
    sources: Sequence[LoadedSource], outcomes: dict[tuple[str, str], RunOutcome]
) -> None:
    """Print a table of the first runs."""
    table = Table(box=None, pad_edge=False)
    for heading in ("SOURCE", "STATUS", "REASON"):
        table.add_column(heading, no_wrap=True)
    for heading in ("LOADED", "UNCHANGED", "REJECTED", "SECONDS"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("MESSAGE", overflow="fold")
    for loaded in sources:
        outcome = outcomes.get(loaded.key)
        cells = _cells(outcome) if outcome else ("not run",)
        table.add_row(Text("/".join(loaded.key)), *cells)
    # rich assumes 80 columns where it finds no terminal, and would wrap every line of a log.
    width = None if sys.stdout.isatty() else 160
    Console(width=width).print(table)


def _cells(outcome: RunOutcome) -> tuple[str | Text, ...]:
    counts = outcome.counts
    return (
        Text(outcome.status, style=_COLOURS.get(outcome.status, "yellow")),
        outcome.reason,
        f"{counts.loaded:,}",
        f"{counts.unchanged:,}",
        f"{counts.rejected:,}",
        f"{outcome.seconds:.1f}",
        Text(outcome.message),
    )


class DueTimes:
    """Prints when each source runs next; during the first runs, only once their table is shown."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due_times: dict[tuple[str, str], datetime | None] = {}
        self._shown = False

    def set_due_time(self, loaded: LoadedSource, due: datetime | None) -> None:
        """Set the time of a source's next run; None: it is suspended."""
        with self._lock:
            if self._shown:
                _print_due(loaded.key, due)
            else:
                self._due_times[loaded.key] = due

    def show(self) -> None:
        """Print the due times set so far, sorted by name; later ones are printed at once."""
        with self._lock:
            self._shown = True
            for key, due in sorted(self._due_times.items()):
                _print_due(key, due)


def _print_due(key: tuple[str, str], due: datetime | None) -> None:
    when = "suspended" if due is None else f"next run at {due:%Y-%m-%d %H:%M} UTC"
    click.echo(f"{'/'.join(key)}: {when}")
