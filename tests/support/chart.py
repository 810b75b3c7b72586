"""The chart, rendered by Helm, and what is in it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts" / "cryptosource"
COMBINATIONS = sorted((CHART / "ci").glob("*-values.yaml"))
KUBERNETES = "1.36.3"
"""What the chart is rendered for where no cluster is asked."""
LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The CRD takes PyYAML's own loader a second."""


class Refused(Exception):
    """Helm failed; the message is its own."""


@dataclass(frozen=True, kw_only=True)
class Helm:
    """A Helm without repositories, plugins or a cluster."""

    program: Path
    home: Path

    def run(self, *arguments: str) -> str:
        """Run it and return what it printed.

        Raises:
            Refused: it failed.
        """
        done = subprocess.run(
            [self.program, *arguments],
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    def render(
        self,
        values: Mapping[str, Any] | Path | None = None,
        *,
        release: str = "prices",
        namespace: str = "market",
        chart: Path = CHART,
    ) -> list[dict[str, Any]]:
        """Return the objects of a release.

        Args:
            values: a file, or what would be in it; None: the defaults.
            release: its name.
            namespace: where it would be.
            chart: its folder.
        """
        if not isinstance(values, Path):
            file = self.home / "values.json"
            file.write_text(json.dumps(values or {}), "utf-8")
            values = file
        options = ("--namespace", namespace, "--kube-version", KUBERNETES, "--values", str(values))
        text = self.run("template", release, str(chart), *options)
        return [one for one in yaml.load_all(text, Loader=LOADER) if one]


def only(objects: list[dict[str, Any]], kind: str, suffix: str = "") -> dict[str, Any]:
    """Return the one object of a kind whose name ends so."""
    found = [one for one in objects if one["kind"] == kind and named(one).endswith(suffix)]
    assert len(found) == 1, [named(one) for one in found]
    return found[0]


def named(thing: Mapping[str, Any]) -> str:
    """Return an object's name."""
    return str(thing["metadata"]["name"])


def pod_templates(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every pod that the objects make, with the name of who makes it."""
    for thing in objects:
        name, spec = f"{thing['kind']}/{named(thing)}", thing.get("spec", {})
        if thing["kind"] == "Pod":
            yield name, {"metadata": {"labels": thing["metadata"]["labels"]}, "spec": spec}
        elif thing["kind"] == "CronJob":
            yield name, spec["jobTemplate"]["spec"]["template"]
        elif thing["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield name, spec["template"]


def containers(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a pod's containers, the initial ones among them."""
    spec = template["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def environment(template: Mapping[str, Any], container: str) -> dict[str, Any]:
    """Return the variables of a container: a text, or where it comes from."""
    found = next(one for one in containers(template) if one["name"] == container)
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in found.get("env", ())}
