"""Each image holds its own part, and the build sees what the wheel is made of."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hack.cluster import places
from hack.cluster.errors import ClusterError
from hack.cluster.places import PROJECT
from hack.images import __main__ as main
from hack.images import checking, engines, keys
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
    (stage,) = re.findall(rf"AS {extra}-dependencies\n(.*?)\n\n", DOCKERFILE, re.DOTALL)
    (install,) = [line for line in stage.splitlines() if "uv sync" in line]

    assert re.findall(r"--extra (\S+)", install) == [extra]
    assert "--locked --no-dev --no-install-project" in install
    assert f"COPY --from={extra}-dependencies " in DOCKERFILE


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


@pytest.mark.parametrize("extra", FRAMEWORKS)
def test_the_marks_of_an_extra_are_in_no_other_images_extra(extra) -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    lines = [line for other in FRAMEWORKS if other != extra for line in extras[other]]

    assert FRAMEWORKS[extra].isdisjoint(re.match(r"[\w-]+", line)[0] for line in lines)


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


@pytest.fixture
def tree(tmp_path) -> Path:
    (tmp_path / ".dockerignore").write_text("*\n!part\n!lock\n**/__pycache__\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "lock").write_text("1")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "code.py").write_text("x = 1\n")
    (tmp_path / "notes.md").write_text("not in the image\n")
    return tmp_path


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "lock", "part/new.py"])
def test_a_change_of_what_a_build_sees_makes_another_image(tree, name) -> None:
    before = keys.key(Recipe(name="etl", folder=tree))

    with (tree / name).open("a") as file:
        file.write("# more\n")

    assert keys.key(Recipe(name="etl", folder=tree)) != before


@pytest.mark.parametrize("name", ["notes.md", "part/__pycache__/code.pyc"])
def test_a_change_of_anything_else_makes_none(tree, name) -> None:
    before = keys.key(Recipe(name="etl", folder=tree))

    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("changed")

    assert keys.key(Recipe(name="etl", folder=tree)) == before


def test_one_tag_names_the_three_images_of_the_chart() -> None:
    assert len({keys.tag(RECIPES[name]) for name in FRAMEWORKS}) == 1
    assert keys.tag(RECIPES["etl"]) != keys.tag(RECIPES["postgres"])


def test_half_an_image_of_a_build_that_was_killed_is_removed(tmp_path, monkeypatch) -> None:
    broken = f'locating item for image with ID "{"a1" * 32}" (consider removing the image to …)'
    commands = []

    def execute(*command: str) -> str:
        commands.append(command)
        if len(commands) == 1:
            raise ClusterError(f"buildah … failed:\nError: {broken}")
        return ""

    monkeypatch.setenv(places.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(engines.packages, "ensure", lambda _: None)
    monkeypatch.setattr(engines, "execute", execute)

    builder = engines.Buildah()
    builder.save("image:1", tmp_path / "image.tar")
    builder._held.cleanup()

    first, removal, again = commands
    assert removal[-3:] == ("rmi", "--force", "a1" * 32)
    assert again == first


def test_an_edit_while_images_are_built_is_for_the_next_build(monkeypatch) -> None:
    tags = iter(["dev-1", "dev-2"])
    monkeypatch.setattr(keys, "tag", lambda _: next(tags))
    recipe, options = Recipe(name="a"), argparse.Namespace(tag=None)

    assert [main._tag(recipe, options) for _ in range(2)] == ["dev-1", "dev-1"]
