"""`python -m hack.chart_readme`: the chart's README out of its values.yaml, comments and all."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).parents[1] / "charts" / "cryptosource"
OUTPUT = CHART / "README.md"
WHOLE = frozenset({"resources"})
"""Keys whose value is shown in one piece."""
HEAD = """\
<!-- Made by `make generate` of Chart.yaml and values.yaml. -->
# {name}

{description} Chart {version}, for Kubernetes {kubernetes} and Helm 3 or 4.

    helm install cryptosource charts/cryptosource --namespace crypto --create-namespace --wait
    helm --namespace crypto test cryptosource

How to install it where: `docs/install.md`. What it installs and why so: `docs/chart.md`. Upgrades: `docs/upgrade.md`.
Complete examples are in `ci/`.

## Values

A key that is not listed here is refused.
"""


@dataclass(frozen=True)
class Value:
    """One row of the table."""

    path: str
    default: str
    """As JSON; empty for a group of values."""
    description: str


def values(text: str) -> Iterator[Value]:
    """Yield every value of a values.yaml, with the comment above it.

    Raises:
        ValueError: it is no mapping.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("values.yaml must be a mapping")  # noqa: TRY004 - what is in a file
    yield from _values(root, "", text.splitlines())


def _values(node: yaml.MappingNode, prefix: str, lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        comment = _comment_above(key.start_mark.line, lines)
        if isinstance(value, yaml.MappingNode) and not value.flow_style and key.value not in WHOLE:
            if comment:
                yield Value(path, "", comment)
            yield from _values(value, f"{path}.", lines)
        else:
            yield Value(path, json.dumps(_plain(value), ensure_ascii=False), comment)


def _plain(node: yaml.Node) -> object:
    return yaml.safe_load(yaml.serialize(node))


def _comment_above(line: int, lines: list[str]) -> str:
    found: list[str] = []
    for above in reversed(lines[:line]):
        if not above.lstrip().startswith("# "):
            break
        found.insert(0, above.strip().removeprefix("# "))
    return " ".join(found)


def render() -> str:
    """Return the README."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    rows = ["| value | default | what |", "|---|---|---|"]
    for value in values((CHART / "values.yaml").read_text("utf-8")):
        default = f"`{value.default}`" if value.default else ""
        rows.append(
            f"| `{value.path}` | {default} | {value.description.replace('|', chr(92) + '|')} |"
        )
    head = HEAD.format(
        name=chart["name"],
        description=chart["description"],
        version=chart["version"],
        kubernetes=chart["kubeVersion"].removesuffix("-0").removesuffix(".0").replace(">=", "≥ "),
    )
    return "\n".join([head, *rows, ""])


def main() -> int:
    """Write it; return the exit code."""
    OUTPUT.write_text(render(), "utf-8")
    print(f"wrote {OUTPUT.relative_to(CHART.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
