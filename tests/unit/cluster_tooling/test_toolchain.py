"""A Go that is new enough is found; without one a person is told what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.cluster import places, toolchain
from hack.cluster.errors import ClusterError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(places.CACHE_VARIABLE, str(tmp_path / "cache"))


def fake_go(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho go version go{version} linux/amd64\n")
    program.chmod(0o755)
    return program


def test_a_go_on_the_path_that_is_new_enough_is_used(tmp_path, monkeypatch) -> None:
    program = fake_go(tmp_path / "bin", "1.30.2")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert toolchain.find((1, 26)) == program


def test_an_old_go_gives_way_to_the_one_from_the_wheel(tmp_path, monkeypatch) -> None:
    fake_go(tmp_path / "bin", "1.9.9")
    installed = fake_go(toolchain._home() / "go" / "bin", "1.26.1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert toolchain.find((1, 26)) == installed


def test_without_any_go_the_message_says_what_to_install(tmp_path, monkeypatch) -> None:
    pip = tmp_path / "python"
    pip.write_text("#!/bin/sh\necho 'no route to the index' >&2; exit 1\n")
    pip.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr("sys.executable", str(pip))

    with pytest.raises(ClusterError, match=r"Go 1\.26 or newer is needed.*no route to the index"):
        toolchain.find((1, 26))


def test_the_modules_say_which_go_they_need() -> None:
    assert toolchain.required_version() >= (1, 26)


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hello\n"])
def test_what_does_not_answer_as_go_is_no_go(tmp_path, content) -> None:
    program = tmp_path / "go"
    program.write_text(content)
    program.chmod(0o755)

    assert toolchain.version_of(program) is None
