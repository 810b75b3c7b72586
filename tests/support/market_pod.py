"""The fake CoinPaprika and CoinGecko as a pod of the cluster, steered from outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hack.market import Control
from hack.market.clock import NOON
from hack.market.control import ControlError
from hack.market.jsontext import dump_command

from support.kube import Kube
from support.market import RunningMarket
from support.services import HttpService
from support.waits import eventually

SOURCE = Path(__file__).parents[2] / "hack" / "market"
NAME, PORT = "market", 9100
LABELS = {"app": NAME}
MARKET_SECONDS = 90


def open_service(kube: Kube, namespace: str) -> str:
    """Make the Service and return its address, which sources are allowed to reach."""
    service = {
        "metadata": {"name": NAME},
        "spec": {"selector": LABELS, "ports": [{"port": PORT, "targetPort": PORT}]},
    }
    made = kube.request("POST", f"/api/v1/namespaces/{namespace}/services", service)
    address: str = made["spec"]["clusterIP"]
    return address


def open_market(kube: Kube, namespace: str, *, image: str, coins: int = 100) -> RunningMarket:
    """Run a market behind the Service of `open_service`, its clock frozen at noon.

    Args:
        kube: the administrator.
        namespace: with the Service; its end ends the market.
        image: with Python; the market's source comes by a ConfigMap.
        coins: that each vendor lists.
    """
    base = f"/api/v1/namespaces/{namespace}"
    files = {str(path.relative_to(SOURCE)): path for path in sorted(SOURCE.rglob("*.py"))}
    data = {name.replace("/", "-"): path.read_text("utf-8") for name, path in files.items()}
    kube.request("POST", f"{base}/configmaps", {"metadata": {"name": NAME}, "data": data})
    kube.request("POST", f"{base}/pods", _pod(image, list(files), coins))
    service = HttpService(kube=kube, namespace=namespace, name=NAME, port=PORT)
    eventually(
        lambda: service.send("GET", "/_control/state").status_code == 200,
        seconds=MARKET_SECONDS,
        what="the market answers in the cluster",
    )
    url = f"http://{NAME}.{namespace}.svc:{PORT}"
    return RunningMarket(url, Control(_through(service)))


def _pod(image: str, files: list[str], coins: int) -> dict[str, Any]:
    items = [{"key": name.replace("/", "-"), "path": name} for name in files]
    start = ["--frozen", "--start", NOON.isoformat(), "--coins", str(coins)]
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "hack.market", "--host", "0.0.0.0", "--port", str(PORT)],
        "args": start,
        "workingDir": "/srv",
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "source", "mountPath": "/srv/hack/market"}],
    }
    return {
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "source", "configMap": {"name": NAME, "items": items}}],
        },
    }


def _through(service: HttpService) -> Any:
    """Return commands as over HTTP, by way of the API server."""

    def send(verb: str, arguments: Mapping[str, Any]) -> Any:
        answer = service.send("POST", f"/_control/{verb}", content=dump_command(arguments))
        if answer.status_code != 200:
            raise ControlError(answer.text)
        return answer.json()

    return send
