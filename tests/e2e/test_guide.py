"""docs/guide.md, done as a reader does it: every command in its order, and what it prints."""

from __future__ import annotations

import signal
import subprocess
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from support.commands import COMMAND, environment
from support.serving import ServedApi, serving
from support.transcripts import Step, steps
from support.waits import OutOfTime, eventually

DOCS = Path(__file__).parents[2] / "docs"
ADDRESS = "localhost:8010"
SERVE = f"cryptosource up -f prices.yaml --port {ADDRESS.partition(':')[2]}"


def test_the_guide_works_as_it_is_written_and_prints_what_it_shows(tmp_path: Path):
    folder, data = tmp_path / "my-prices", tmp_path / "data"
    folder.mkdir()
    env = environment(None, data)
    env |= {"PATH": f"{COMMAND.parent}:{env['PATH']}", "PYTHONUNBUFFERED": "1"}
    api: ServedApi | None = None
    with ExitStack() as stack:
        for step in filter(runs_here, steps(DOCS / "guide.md")):
            if step.command == SERVE:
                up = serving("up", "-f", folder / "prices.yaml", env=env, folder=tmp_path)
                api = stack.enter_context(up)
                stack.callback(end, api)
                with suppress(OutOfTime):
                    eventually(partial(served_as_shown, api, step))
                printed = said(api)
            else:
                printed = done(step.command, env, folder, api)
            assert step.prints(printed), f"$ {step.command}\n{printed}\n--- shown:\n{step.shown}"
        assert api, "the guide serves"
        status, page = api.text("/coins/BTC", range="all")

    assert (status, page.count("<polyline")) == (200, 3), "a large chart, a small one, and its key"
    drawn = (folder / "candles.svg").read_text("utf-8")
    assert drawn == (DOCS / "pictures" / "candles.svg").read_text("utf-8")


def runs_here(step: Step) -> bool:
    """Whether a step needs neither a cluster nor a checkout to install."""
    return step.section != "Install" and not step.command.startswith("kubectl ")


def done(command: str, env: dict[str, str], folder: Path, api: ServedApi | None) -> str:
    """Run a command of the guide; return what a terminal would show."""
    if api:
        command = command.replace(ADDRESS, f"localhost:{api.port}")
    return subprocess.run(
        ["bash", "-c", command],
        env=env,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    ).stdout


def end(api: ServedApi) -> None:
    """End it as Ctrl-C does, and with it the embedded Postgres."""
    api.command.signal(signal.SIGINT)
    assert api.command.wait() == 0


def said(api: ServedApi) -> str:
    """Return what `up` has printed so far, as if it had the guide's port."""
    return api.command.stdout.replace(f"localhost:{api.port}", ADDRESS)


def served_as_shown(api: ServedApi, step: Step) -> bool:
    return api.command.ended or step.prints(said(api))
