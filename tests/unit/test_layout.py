"""The folder `operator/` must never become the standard library's `operator`."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP_LEVEL = ("operator", "etl_job", "api", "crds", "migrations", "cli", "telemetry")


@pytest.mark.parametrize(
    "flags", [[], ["-S"], ["-m", "timeit"]], ids=["plain", "no-site", "module"]
)
def test_the_standard_operator_wins_from_the_checkout(flags: list[str]) -> None:
    if flags == ["-m", "timeit"]:
        arguments = [*flags, "-n", "1", "-r", "1", "from operator import itemgetter"]
    else:
        arguments = [*flags, "-c", "import collections, operator; print(operator.__file__)"]

    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    if flags != ["-m", "timeit"]:
        assert Path(done.stdout.strip()).is_relative_to(sysconfig.get_paths()["stdlib"])


@pytest.mark.parametrize("folder", TOP_LEVEL)
def test_a_top_level_folder_is_no_package(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_test_folders_are_no_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))
