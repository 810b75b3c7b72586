"""`.github/`: the jobs together run all that `make test` does, and a release all that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CI = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
RELEASE = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
JOBS = [*CI["jobs"].items(), *RELEASE["jobs"].items()]
AHEAD = {"build-ahead"}
"""Saves time where all runs on one machine."""


def targets_of(job: dict) -> set[str]:
    """Return the targets of `make` that the steps of a job run."""
    scripts = " ".join(step.get("run", "") for step in job["steps"])
    return set(re.findall(r"\bmake ([a-z-]+)", scripts))


def test_the_jobs_run_every_part_of_the_gate():
    gate = re.search(r"^test: ([a-z -]+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)

    run = set().union(*map(targets_of, CI["jobs"].values()))

    assert gate is not None
    assert run == set(gate[1].split()) - AHEAD


def test_the_oldest_and_the_newest_python_that_is_supported_run_every_job():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    supported = re.findall(r"Python :: (3\.\d+)", project)

    for name, job in CI["jobs"].items():
        matrix = job["strategy"]["matrix"]
        ran = matrix.get("python") or [one["python"] for one in matrix["include"]]
        assert ran == [supported[0], supported[-1]], name


@pytest.mark.parametrize(("name", "job"), JOBS, ids=[name for name, _ in JOBS])
def test_a_job_has_a_time_limit(name: str, job: dict):
    assert "uses" in job or 0 < job["timeout-minutes"] <= 90


def test_nothing_is_published_before_the_gate_has_passed():
    jobs = RELEASE["jobs"]

    def needed(name: str) -> set[str]:
        needs = jobs[name].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(needed, direct)) if direct else direct

    assert all("gate" in needed(name) for name, job in jobs.items() if "permissions" in job)
    assert jobs["gate"]["uses"] == "./.github/workflows/ci.yml"


def test_every_image_of_the_dockerfile_is_released():
    text = (ROOT / "Dockerfile").read_text("utf-8")
    images = set(re.findall(r"^FROM runtime AS (\w+)$", text, re.MULTILINE))

    assert set(RELEASE["jobs"]["images"]["strategy"]["matrix"]["image"]) == images
    assert len(images) == 3


def test_every_cluster_module_and_the_lock_file_are_looked_after():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]
    by_kind = {one["package-ecosystem"]: one for one in updates}

    assert set(by_kind) == {"uv", "github-actions", "docker", "gomod"}
    patterns = by_kind["gomod"]["directories"]
    covered = {path for pattern in patterns for path in ROOT.glob(f"{pattern[1:]}/go.mod")}
    assert covered == set((ROOT / "hack").rglob("go.mod"))
