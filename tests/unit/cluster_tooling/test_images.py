"""Each image holds its own part, and the build sees what the wheel is made of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

import pytest
from hack.cluster.places import PROJECT
from hack.images import checking, engines
from hack.images.recipes import FRAMEWORKS, RECIPES, USER_ID, Recipe

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
DOCKERFILE = (PROJECT / "Dockerfile").read_text()


def report(*, problems=None, installed=("click",), user=USER_ID) -> str:
    return json.dumps({"problems": problems or {}, "installed": list(installed), "user": user})


def test_the_build_sees_every_folder_of_the_wheel() -> None:
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    seen = set((PROJECT / ".dockerignore").read_text().splitlines())

    assert {f"!{package.partition('/')[0]}" for package in packages} <= seen


@pytest.mark.parametrize("extra", FRAMEWORKS)
def test_each_image_installs_its_own_extra_alone_from_the_lock(extra) -> None:
    (stage,) = re.findall(rf"AS {extra}-builder\n(.*?)\nFROM", DOCKERFILE, re.DOTALL)
    installs = [line for line in stage.splitlines() if "uv sync" in line]

    assert len(installs) == 2
    assert all(re.findall(r"--extra (\S+)", line) == [extra] for line in installs)
    assert all("--locked --no-dev" in line for line in installs)


@pytest.mark.parametrize("name", RECIPES)
def test_every_image_runs_as_the_same_unprivileged_user(name) -> None:
    text = (RECIPES[name].folder / "Dockerfile").read_text()

    assert f" AS {name}\n" in text
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE)[-1].startswith(str(USER_ID))


@pytest.mark.parametrize("extra", FRAMEWORKS)
def test_the_marks_of_an_extra_are_among_its_dependencies(extra) -> None:
    wanted = PYPROJECT["project"]["optional-dependencies"][extra]
    names = {re.match(r"[\w-]+", one)[0] for one in wanted}

    assert FRAMEWORKS[extra] <= names


def test_an_image_as_it_must_be_has_no_complaints() -> None:
    assert checking.complaints(RECIPES["etl"], report(), user=USER_ID) == []


def test_a_stranger_a_broken_import_and_the_wrong_user_are_told() -> None:
    found = report(problems={"x": "ImportError: y"}, installed=["kopf", "fastapi", "httpx"], user=0)

    assert checking.complaints(RECIPES["etl"], found, user=USER_ID) == [
        "x cannot be imported: ImportError: y",
        "fastapi belongs to another image",
        "kopf belongs to another image",
        f"it runs as user 0, not {USER_ID}",
    ]


def test_the_check_reports_what_it_cannot_import() -> None:
    _, *arguments = checking.command(Recipe(name="etl", modules=("json", "no_such_module")))

    printed = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True
    ).stdout

    assert json.loads(printed)["problems"] == {
        "no_such_module": "ModuleNotFoundError: No module named 'no_such_module'"
    }


def test_certificates_of_the_build_are_in_its_base_alone(tmp_path) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.write_text("CERTIFICATE")

    with engines.trusting("base:1", bundle) as folder:
        text = (tmp_path.__class__(folder) / "Dockerfile").read_text()

    assert text.startswith("FROM base:1\n")
    assert "FROM ${BASE_IMAGE} AS runtime" in DOCKERFILE
    assert "FROM ${BUILD_IMAGE} AS builder" in DOCKERFILE


def test_the_databases_entrypoint_is_a_valid_shell_script() -> None:
    script = PROJECT / "hack" / "images" / "postgres" / "entrypoint"

    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
