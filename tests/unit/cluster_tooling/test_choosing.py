"""Which cluster is meant, and that a foreign one is left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hack.cluster import choosing, exports, packages, places
from hack.cluster.choosing import UsersCluster
from hack.cluster.errors import ClusterError
from hack.cluster.kind import Kind
from hack.cluster.node import cluster as node
from hack.cluster.node import outside
from hack.cluster.node.cluster import COMPLETE, MARKER, SingleNode
from hack.cluster.node.layout import NETWORK_VARIABLE, Network


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(places.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(choosing, "engine_runs", lambda: False)
    monkeypatch.setattr(SingleNode, "running", False)
    return tmp_path / "cache"


def test_the_users_kubeconfig_comes_first(monkeypatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
    monkeypatch.setattr(choosing, "engine_runs", lambda: True)

    assert isinstance(choosing.selected(), UsersCluster)


def test_docker_means_kind(monkeypatch) -> None:
    monkeypatch.setattr(choosing, "engine_runs", lambda: True)

    assert isinstance(choosing.selected(), Kind)


def test_without_either_it_is_the_single_node() -> None:
    assert isinstance(choosing.selected(), SingleNode)


def test_a_single_node_that_runs_is_not_forgotten_when_docker_starts(monkeypatch) -> None:
    monkeypatch.setattr(choosing, "engine_runs", lambda: True)
    monkeypatch.setattr(SingleNode, "running", True)

    assert isinstance(choosing.selected(), SingleNode)


@pytest.mark.parametrize("own", [Kind, SingleNode])
def test_our_own_kubeconfig_means_our_own_cluster(monkeypatch, own) -> None:
    monkeypatch.setenv("KUBECONFIG", str(own().kubeconfig))

    assert isinstance(choosing.selected(), own)


def test_the_users_cluster_is_never_ended(capsys) -> None:
    UsersCluster("/home/somebody/.kube/config").down()

    assert "not ours" in capsys.readouterr().out


def test_an_image_cannot_be_pushed_into_the_users_cluster() -> None:
    with pytest.raises(ClusterError, match="push the image to a registry"):
        UsersCluster("/x").load(Path("image.tar"))


def test_a_folder_of_somebody_else_is_neither_used_nor_removed(tmp_path) -> None:
    precious = tmp_path / "home" / "precious"
    precious.parent.mkdir()
    precious.write_text("data")

    SingleNode(precious.parent).down()
    with pytest.raises(ClusterError, match="holds something else"):
        SingleNode(precious.parent)._make_folders()

    assert precious.read_text() == "data"


def test_a_removal_that_was_cut_short_is_taken_up_again(tmp_path, monkeypatch) -> None:
    home = tmp_path / "home"
    (home / "var" / "lib").mkdir(parents=True)
    (home / MARKER).touch()
    monkeypatch.setattr(node, "refuse_unsupported", lambda: None)
    monkeypatch.setattr(outside, "remove_control_groups", lambda: None)
    monkeypatch.setattr(outside, "disconnect", lambda _: None)

    SingleNode(home).down()

    assert not home.exists()


@pytest.mark.parametrize(("complete", "starts"), [(True, 0), (False, 1)])
def test_a_start_that_was_cut_short_is_made_anew(tmp_path, monkeypatch, complete, starts) -> None:
    home, started = tmp_path / "home", []
    home.mkdir()
    (home / MARKER).touch()
    if complete:
        (home / COMPLETE).touch()
    monkeypatch.setattr(node, "refuse_unsupported", lambda: None)
    monkeypatch.setattr(node.packages, "ensure", lambda _: None)
    monkeypatch.setattr(node.building, "programs", lambda *_: {})
    monkeypatch.setattr(outside, "refuse_foreign", lambda _: None)
    monkeypatch.setattr(SingleNode, "running", True)
    monkeypatch.setattr(SingleNode, "down", lambda _: None)
    monkeypatch.setattr(SingleNode, "node_ready", lambda _: True)
    monkeypatch.setattr(SingleNode, "give_back_volumes", lambda _: None)
    monkeypatch.setattr(SingleNode, "_start", lambda *_, **__: started.append("cluster"))

    SingleNode(home).up()

    assert len(started) == starts


def test_a_route_into_the_clusters_network_is_in_the_way(monkeypatch) -> None:
    routes = '[{"dst": "default"}, {"dst": "10.199.64.0/24", "dev": "vpn0"}]'
    monkeypatch.setattr(outside, "LINK", "no-such-link")  # a cluster may run beside these tests
    monkeypatch.setattr(outside, "_output", lambda *_: routes)

    with pytest.raises(ClusterError, match=rf"10\.199\.64\.0/24.*{NETWORK_VARIABLE}"):
        outside.refuse_foreign(Network.selected())


def test_missing_packages_are_listed_for_one_who_cannot_install_them(monkeypatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    wanted = {"a-package": "no-such-program-a", "shell": "sh", "b-package": "no-such-program-b"}

    with pytest.raises(ClusterError, match="a-package b-package"):
        packages.ensure(wanted)


def test_exports_survive_a_shell(monkeypatch, tmp_path) -> None:
    folder = tmp_path / "a folder; with 'quotes'"
    monkeypatch.setattr(exports, "tools", lambda: folder)
    script = "\n".join(
        [*exports.lines(Path("/a b/config")), 'printf "%s|%s" "$KUBECONFIG" "$PATH"']
    )

    printed = subprocess.run(
        ["sh", "-euc", script], env={"PATH": "/bin"}, capture_output=True, text=True, check=True
    ).stdout

    assert printed == f"/a b/config|{folder}:/bin"


def test_the_command_runs_without_any_installed_package() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "hack.cluster", "--help"],
        cwd=places.PROJECT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "down" in done.stdout


def test_a_name_that_would_leave_the_cache_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "hack.cluster", "status", "--control-plane", "--name=../x"],
        cwd=places.PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("cluster: '../x' is no name")
