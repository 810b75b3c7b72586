"""A control plane without a node: etcd, kube-apiserver and kube-controller-manager on loopback.

For tests that need no pods. It needs neither root nor a network, several run side by side, and one
is up in a few seconds:

    with control_plane.running() as plane:
        client.load(plane.kubeconfig)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hack.cluster import building, components, kubeconfigs, kubernetes, places, ports
from hack.cluster.errors import ClusterError
from hack.cluster.instances import Instance
from hack.cluster.kubernetes import API_SERVER, CONTROLLERS, Credentials, Endpoints
from hack.cluster.pki import Authority, KeyPair
from hack.cluster.processes import start_time
from hack.cluster.supervising import accepts

READY_SECONDS = 60
ATTEMPTS = 3
"""Of starting: somebody else may have taken a port that was free."""
PORT_TAKEN = "address already in use"
ALL_CONTROLLERS = ("*",)
PREFIX = "tied-"
"""Of the folders of control planes that end with the process that started them."""


class ControlPlane:
    """A running control plane."""

    def __init__(self, instance: Instance, endpoints: Endpoints, audit_log: Path | None) -> None:
        self.folder = instance.folder
        self.url = endpoints.url
        self.audit_log = audit_log
        """JSON lines, one for each finished request; None when it was not asked for."""
        self._instance = instance

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig of a user who may do everything."""
        return self.folder / "admin.kubeconfig"

    def kubeconfig_for(self, user: str, *, groups: Sequence[str] = ()) -> Path:
        """Return the kubeconfig of a user who may do what RBAC says, and nothing at first."""
        authority = Authority(self.folder / "pki")
        name = "".join(letter if letter.isalnum() else "-" for letter in user)
        pair = authority.client(f"user-{name}", user=user, groups=groups)
        return _kubeconfig(self.folder, self.url, name, pair)

    def pid(self, component: str) -> int:
        """Return the process of etcd, kube-apiserver or kube-controller-manager.

        Raises:
            ClusterError: it does not run.
        """
        process = self._instance.states[component].process
        if process is None:
            raise ClusterError(f"{component} does not run")
        return process.pid

    def stop_api_server(self, *, kill: bool = False) -> None:
        """Stop the API server until `start_api_server`; `kill` is kill -9."""
        self._instance.direct(API_SERVER, stopped=True, kill=kill)

    def start_api_server(self) -> None:
        """Start the API server on the same port and wait until it is ready."""
        self._instance.direct(API_SERVER, stopped=False)
        self.wait_ready()

    def restart_api_server(self, *, kill: bool = False) -> None:
        """Stop and start the API server and wait until it is ready."""
        self._instance.restart(API_SERVER, kill=kill)
        self.wait_ready()

    def stop_controllers(self, *, kill: bool = False) -> None:
        """Stop the controller manager until `start_controllers`."""
        self._instance.direct(CONTROLLERS, stopped=True, kill=kill)

    def start_controllers(self) -> None:
        """Start the controller manager."""
        self._instance.direct(CONTROLLERS, stopped=False)

    def wait_ready(self) -> None:
        """Wait until the API server says that it is ready."""
        self._instance.wait(lambda: ready(self.folder, self.url), READY_SECONDS, "the API is ready")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator and return what it printed.

        Raises:
            ClusterError: kubectl failed; the message is its own.
        """
        return kubeconfigs.kubectl(self.kubeconfig, *arguments, stdin=stdin)


@contextlib.contextmanager
def running(
    *,
    controllers: Sequence[str] = ALL_CONTROLLERS,
    audit: bool = False,
    api_server_flags: Mapping[str, object] | None = None,
    controller_flags: Mapping[str, object] | None = None,
) -> Iterator[ControlPlane]:
    """Yield a control plane that ends with the block, and with this process at the latest.

    Args:
        controllers: names for `--controllers`, such as ("job", "cronjob", "garbagecollector");
            none starts no controller manager.
        audit: write every request to `ControlPlane.audit_log`.
        api_server_flags: further flags, without the dashes.
        controller_flags: the same for the controller manager, such as {"kube-api-qps": 200}.

    Raises:
        ClusterError: it does not start.
    """
    sweep()
    places.control_planes().mkdir(parents=True, exist_ok=True)
    prefix = f"{PREFIX}{_owner_label(os.getpid())}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=places.control_planes()))
    instance = Instance(folder)
    try:
        yield start(
            instance,
            tied=True,
            controllers=controllers,
            audit=audit,
            api_server_flags=api_server_flags,
            controller_flags=controller_flags,
        )
    finally:
        instance.stop()
        instance.remove()


def start(
    instance: Instance,
    *,
    tied: bool,
    controllers: Sequence[str] = ALL_CONTROLLERS,
    audit: bool = False,
    api_server_flags: Mapping[str, object] | None = None,
    controller_flags: Mapping[str, object] | None = None,
) -> ControlPlane:
    """Start a control plane in an instance's folder and wait until it is ready; see `running`."""
    for attempt in range(1, ATTEMPTS + 1):
        endpoints = free_endpoints()
        files = make_credentials(instance.folder, endpoints)
        audit_flags = _audit_flags(instance.folder) if audit else {}
        wanted = _components(
            instance.folder,
            endpoints,
            files,
            controllers=controllers,
            api_server_flags=audit_flags | dict(api_server_flags or {}),
            controller_flags=controller_flags or {},
        )
        instance.start(wanted, tied=tied)
        log = instance.folder / kubernetes.AUDIT_LOG if audit else None
        plane = ControlPlane(instance, endpoints, log)
        try:
            plane.wait_ready()
            if controllers:
                _wait_for_controllers(instance, endpoints)
        except ClusterError as error:
            instance.stop()
            if attempt == ATTEMPTS or PORT_TAKEN not in str(error):
                raise
            instance.remove()
            instance.folder.mkdir()
        else:
            return plane
    raise AssertionError


def _wait_for_controllers(instance: Instance, endpoints: Endpoints) -> None:
    """Wait until the controller manager listens: it has understood its flags then."""
    address = f"127.0.0.1:{endpoints.controllers_port}"
    instance.wait(
        lambda: accepts(address) or instance.states[CONTROLLERS].exit_code is not None,
        READY_SECONDS,
        "the controllers are ready",
    )
    if instance.states[CONTROLLERS].exit_code is not None:
        raise ClusterError(f"{CONTROLLERS} does not start\n{instance.log_tails()}")


def sweep() -> None:
    """End and remove what is left of control planes whose starter was killed."""
    for folder in places.control_planes().glob(f"{PREFIX}*"):
        label = folder.name.removeprefix(PREFIX).rpartition("-")[0]
        if label != _owner_label(int(label.partition(".")[0])):
            leftover = Instance(folder)
            leftover.stop()
            leftover.remove()


def _owner_label(pid: int) -> str:
    """Name a process in a folder's name; another process with that id gives another label."""
    started = start_time(pid) or "ended"
    return f"{pid}.{''.join(letter for letter in started if letter.isalnum())}"


def free_endpoints() -> Endpoints:
    """Return endpoints on free ports."""
    api, etcd, peer, controllers = ports.free(4)
    return Endpoints(
        host="127.0.0.1",
        api_port=api,
        etcd_port=etcd,
        peer_port=peer,
        controllers_port=controllers,
        service_range="10.0.0.0/24",
    )


def make_credentials(folder: Path, endpoints: Endpoints) -> Credentials:
    """Make a control plane's certificates and kubeconfigs."""
    authority = Authority.create(folder / "pki")
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names.append("kubernetes.default.svc.cluster.local")
    first_service = endpoints.service_range.rpartition(".")[0] + ".1"
    hosts = [*names, "127.0.0.1", endpoints.host, first_service]
    admin = authority.client("admin", user="admin", groups=["system:masters"])
    manager = authority.client("controllers", user=f"system:{CONTROLLERS}")
    _kubeconfig(folder, endpoints.url, "admin", admin)
    return Credentials(
        authority=authority.own,
        server=authority.server("api-server", user="kube-apiserver", hosts=hosts),
        to_kubelets=authority.client("to-kubelets", user="api-server", groups=["system:masters"]),
        service_accounts=authority.signing_key(),
        controllers=_kubeconfig(folder, endpoints.url, "controllers", manager),
    )


def ready(folder: Path, url: str) -> bool:
    """Return whether an API server answers that it is ready."""
    pki = folder / "pki"
    try:
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        question = urllib.request.Request(f"{url}/readyz")  # noqa: S310 - https, ours
        with urllib.request.urlopen(question, context=context, timeout=2):  # noqa: S310
            return True
    except OSError:
        return False


def _components(
    folder: Path,
    endpoints: Endpoints,
    files: Credentials,
    *,
    controllers: Sequence[str],
    api_server_flags: Mapping[str, object],
    controller_flags: Mapping[str, object],
) -> list[components.Component]:
    programs = find_programs()
    local = {"endpoint-reconciler-type": "none"}  # loopback is no address for endpoints
    started = [
        kubernetes.etcd(programs["etcd"], endpoints, folder / "etcd"),
        kubernetes.api_server(
            programs[API_SERVER], endpoints, files, extra=local | dict(api_server_flags)
        ),
    ]
    if controllers:
        manager = programs.get(CONTROLLERS)
        manager = manager or building.programs("kubernetes", CONTROLLERS)[CONTROLLERS]
        started.append(
            kubernetes.controller_manager(
                manager, endpoints, files, controllers=controllers, extra=controller_flags
            )
        )
    return started


def find_programs() -> dict[str, Path]:
    """Return the programs: those of KUBEBUILDER_ASSETS where it is set, else our own builds."""
    assets = places.variable(places.ASSETS_VARIABLE)
    if assets is None:
        own = building.programs("kubernetes", API_SERVER, CONTROLLERS)
        return building.programs("etcd") | own
    found = {name: Path(assets) / name for name in ("etcd", API_SERVER, CONTROLLERS, "kubectl")}
    for name in ("etcd", API_SERVER):
        if shutil.which(found[name]) is None:
            raise ClusterError(f"{places.ASSETS_VARIABLE}={assets} has no {name}; unset it")
    return {name: path for name, path in found.items() if path.exists()}


def _audit_flags(folder: Path) -> dict[str, object]:
    policy = kubernetes.audit_policy("RequestResponse")
    components.replace_json(folder / kubernetes.AUDIT_POLICY, policy)
    return kubernetes.audit_flags(folder)


def _kubeconfig(folder: Path, url: str, name: str, client: KeyPair) -> Path:
    return kubeconfigs.write(
        folder / f"{name}.kubeconfig",
        server=url,
        authority=folder / "pki" / "ca.crt",
        client=client,
        name=f"cryptosource-{folder.name}",
    )
