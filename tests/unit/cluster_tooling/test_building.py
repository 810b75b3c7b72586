"""Builds are pinned, keyed by what they are made of, and made once."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hack.cluster import building, places, toolchain
from hack.cluster.building import Module
from hack.cluster.errors import ClusterError

MODULES = sorted(path.parent for path in places.MODULES.glob("*/go.mod"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(places.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def builds(monkeypatch) -> list[str]:
    """Stand in for Go: the programs that were built."""
    built: list[str] = []

    def build(_go, _module, package, output) -> None:
        built.append(package)
        output.write_text(package)

    monkeypatch.setattr(toolchain, "find", lambda: Path("/usr/bin/false"))
    monkeypatch.setattr(building, "_go_build", build)
    return built


@pytest.mark.parametrize("folder", MODULES, ids=lambda folder: folder.name)
def test_every_module_is_pinned_by_sums(folder) -> None:
    assert (folder / "go.sum").stat().st_size > 0
    assert Module(folder.name, folder).programs


def test_every_part_of_kubernetes_has_one_version() -> None:
    text = (places.MODULES / "kubernetes" / "go.mod").read_text()
    (minor_patch,) = re.findall(r"k8s\.io/kubernetes v1\.(\d+\.\d+)\b", text, re.MULTILINE)

    replaced = dict(re.findall(r"^\s*(k8s\.io/\S+) => \1 (v\S+)$", text, re.MULTILINE))

    assert len(replaced) > 25
    assert set(replaced.values()) == {f"v0.{minor_patch}"}


def test_a_node_tells_its_real_version() -> None:
    flags = building.module("kubernetes").linker_flags

    assert re.search(r"-X k8s\.io/component-base/version\.gitVersion=v1\.\d+\.\d+", flags)
    assert re.search(r"-X k8s\.io/client-go/pkg/version\.gitVersion=v1\.\d+\.\d+", flags)


@pytest.mark.parametrize(("name", "major"), [("helm", 4), ("helm3", 3)])
def test_helm_tells_its_real_version(name, major) -> None:
    flags = building.module(name).linker_flags

    assert f"-X helm.sh/helm/v{major}/internal/version.version=v{major}." in flags


def test_promtool_tells_its_real_version_and_is_built_without_the_clients_of_clouds() -> None:
    prometheus = building.module("prometheus")
    text = (prometheus.folder / "go.mod").read_text()
    (module,) = re.findall(r"prometheus/prometheus v0\.(\d+)\.\d+", text)

    (told,) = re.findall(r"common/version\.Version=(\d+)\.(\d+)\.\d+", prometheus.linker_flags)

    assert int(module) == int(told[0]) * 100 + int(told[1])
    assert "-tags=remove_all_sd" in prometheus.flags


def test_build_tags_of_one_module_leave_the_builds_of_others_as_they_are(monkeypatch) -> None:
    others = [Module(one.name, one) for one in MODULES if one.name != "prometheus"]
    before = [one.key for one in others]
    own = building.module("prometheus").key

    monkeypatch.setattr(building, "BUILD_TAGS", {"prometheus": "another"})

    assert [one.key for one in others] == before
    assert building.module("prometheus").key != own


def test_a_program_is_built_once(builds) -> None:
    first = building.programs("helm")["helm"]
    second = building.programs("helm")["helm"]

    assert first == second
    assert first.read_text() == "helm.sh/helm/v4/cmd/helm"
    assert builds == ["helm.sh/helm/v4/cmd/helm"]


def test_one_program_of_a_module_is_built_alone(builds) -> None:
    building.programs("kubernetes", "kubectl")

    assert builds == ["k8s.io/kubernetes/cmd/kubectl"]


def test_a_build_that_fails_leaves_no_program(monkeypatch, builds) -> None:
    def fail(_go, _module, _package, output) -> None:
        output.write_text("half a program")
        raise ClusterError("no space left")

    monkeypatch.setattr(building, "_go_build", fail)

    with pytest.raises(ClusterError):
        building.programs("helm")
    assert not (building.module("helm").built / "helm").exists()


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_any_change_of_the_inputs_changes_the_key(tmp_path, name) -> None:
    folder = tmp_path / "coredns"
    shutil.copytree(places.MODULES / "coredns", folder)
    before = Module("coredns", folder).key

    with (folder / name).open("a") as handle:
        handle.write("// changed\n")

    assert Module("coredns", folder).key != before


def test_the_cache_is_never_in_the_work_tree(monkeypatch) -> None:
    monkeypatch.setenv(places.CACHE_VARIABLE, str(places.PROJECT / "cache"))

    with pytest.raises(ClusterError, match="inside the work tree"):
        places.cache()


def test_the_cache_follows_xdg(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv(places.CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert places.cache() == tmp_path / "cryptosource"
