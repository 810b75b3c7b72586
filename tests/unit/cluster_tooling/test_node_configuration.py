"""What the node's programs are told."""

from __future__ import annotations

import ipaddress
import json
import tarfile
import tomllib

import pytest
from hack.cluster import kubernetes, places
from hack.cluster.errors import ClusterError
from hack.cluster.node import bootstrap, files, parts, pause
from hack.cluster.node.layout import HOME, INSIDE, NETWORK_VARIABLE, PAUSE_IMAGE, Network
from hack.cluster.node.parts import Assembly
from hack.cluster.pki import Authority, KeyPair
from hypothesis import given
from hypothesis import strategies as st

NETWORK = Network(ipaddress.IPv4Network("10.199.0.0/16"))
PAIR = KeyPair(INSIDE / "x.crt", INSIDE / "x.key")


@pytest.fixture
def components(monkeypatch, tmp_path):
    monkeypatch.setenv(places.CACHE_VARIABLE, str(tmp_path))
    credentials = kubernetes.Credentials(
        authority=PAIR,
        server=PAIR,
        to_kubelets=PAIR,
        service_accounts=INSIDE / "sa.key",
        controllers=INSIDE / "controllers.kubeconfig",
    )
    return {one.name: one for one in Assembly(NETWORK, credentials).components()}


@given(st.integers(0, 255))
def test_the_ranges_of_a_network_never_overlap(second: int) -> None:
    network = Network(ipaddress.IPv4Network(f"10.{second}.0.0/16"))
    link = ipaddress.ip_network(f"{network.machine}/{network.link_bits}", strict=False)
    ranges = [ipaddress.ip_network(network.pods), ipaddress.ip_network(network.services), link]

    assert ipaddress.ip_address(network.node) in link
    assert all(one.subnet_of(network.whole) for one in ranges)
    assert not any(a.overlaps(b) for a in ranges for b in ranges if a is not b)


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8", "8.8.0.0/16", "10.1.2.3/16", "nonsense", "fd00::/16"]
)
def test_a_network_that_cannot_be_used_is_refused_by_name(monkeypatch, text) -> None:
    monkeypatch.setenv(NETWORK_VARIABLE, text)

    with pytest.raises(ClusterError, match=NETWORK_VARIABLE):
        Network.selected()


def test_containerd_reads_its_configuration_as_it_is_meant() -> None:
    config = tomllib.loads(files.containerd(snapshotter="native", runc="/usr/sbin/runc"))
    runtime = config["plugins"]["io.containerd.cri.v1.runtime"]
    images = config["plugins"]["io.containerd.cri.v1.images"]

    assert config["version"] == 3
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {
        "BinaryName": "/usr/sbin/runc",
        "SystemdCgroup": False,
    }
    assert images["pinned_images"]["sandbox"] == PAUSE_IMAGE
    assert images["snapshotter"] == "native"


def test_the_kubelet_takes_old_control_groups_and_lets_no_stranger_in() -> None:
    config = files.kubelet(
        NETWORK, authority=INSIDE / "ca.crt", server=(INSIDE / "c", INSIDE / "k")
    )

    assert config["failCgroupV1"] is False
    assert config["authentication"]["anonymous"]["enabled"] is False
    assert config["authorization"]["mode"] == "Webhook"
    assert config["clusterDNS"] == [NETWORK.node]


def test_the_proxy_leaves_the_machines_limits_alone() -> None:
    conntrack = files.proxy(NETWORK, kubeconfig=INSIDE / "x")["conntrack"]

    assert conntrack["maxPerCore"] == conntrack["min"] == 0


def test_dns_without_an_upstream_forwards_nowhere() -> None:
    some = files.corefile(NETWORK, kubeconfig=INSIDE / "x", upstreams=["192.0.2.53"])
    none = files.corefile(NETWORK, kubeconfig=INSIDE / "x", upstreams=[])

    assert "forward . 192.0.2.53\n" in some
    assert "forward" not in none


def test_name_servers_that_pods_cannot_reach_are_left_out() -> None:
    text = "# made by hand\nsearch example\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\n"

    assert files.reachable_nameservers(text) == ["192.0.2.53"]
    assert files.reachable_nameservers("") == []


def test_everything_runs_and_nothing_refers_to_the_machines_side(components) -> None:
    assert set(components) == {
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        *("containerd", "kubelet", "kube-proxy", "coredns"),
    }
    for component in components.values():
        assert not any(str(HOME) in word for word in component.argv)
        assert component.argv[0] == str(INSIDE / "bin" / _module_of(component) / component.name)


def _module_of(component) -> str:
    kubernetes_parts = component.name.startswith("kube")
    return "kubernetes" if kubernetes_parts else component.name


def test_the_api_server_asks_rbac_and_checks_the_kubelets_certificate(components) -> None:
    words = components["kube-apiserver"].argv

    assert "--authorization-mode=Node,RBAC" in words
    assert f"--kubelet-certificate-authority={INSIDE}/pki/ca.crt" in words


def test_every_module_of_the_node_is_there_to_be_built() -> None:
    assert all((places.MODULES / name / "go.mod").exists() for name in parts.MODULES)


def test_a_claim_finds_a_volume_of_the_default_class() -> None:
    kinds = [one["kind"] for one in bootstrap.objects()["items"]]
    (storage_class,) = (one for one in bootstrap.storage() if one["kind"] == "StorageClass")

    assert kinds.count("PersistentVolume") == bootstrap.VOLUMES
    assert storage_class["metadata"]["annotations"] == {
        "storageclass.kubernetes.io/is-default-class": "true"
    }


def test_the_pause_image_holds_a_program_to_run(tmp_path, monkeypatch) -> None:
    busybox = tmp_path / "bin" / "busybox"
    busybox.parent.mkdir()
    busybox.write_bytes(b"\x7fELF busybox")
    busybox.chmod(0o755)
    monkeypatch.setenv("PATH", str(busybox.parent))

    with tarfile.open(pause.write(tmp_path / "pause.tar")) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))
        config = json.load(archive.extractfile(manifest["Config"]))
        with tarfile.open(fileobj=archive.extractfile(manifest["Layers"][0])) as layer:
            (program,) = layer.getmembers()

    assert manifest["RepoTags"] == [PAUSE_IMAGE]
    assert f"/{program.name}" == config["config"]["Entrypoint"][0]
    assert program.mode & 0o111


def test_certificates_name_their_user_and_stay_private(tmp_path) -> None:
    authority = Authority.create(tmp_path / "pki")

    pair = authority.client("bob", user="bob", groups=["staff"])

    assert pair.certificate.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert pair.key.stat().st_mode & 0o077 == 0
    assert authority.signing_key().stat().st_mode & 0o077 == 0
