"""`python -m cryptosource_crd.generate`: writes crds/cryptosources.yaml and the chart's copy."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from cryptosource_crd.generator import definition

OUTPUT = Path(__file__).parents[1] / "cryptosources.yaml"
TEMPLATE = Path(__file__).parents[2] / "charts" / "cryptosource" / "templates" / "crd.yaml"
HEADER = "# Generated from crds/cryptosource_crd by `make generate`: edit the models instead.\n"


class _Dumper(yaml.SafeDumper):
    """A dumper without anchors: equal parts are written out, which is easier to read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Return True: no value becomes an alias."""
        return True


def render() -> str:
    """Return the text of crds/cryptosources.yaml."""
    text = yaml.dump(definition(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return HEADER + text


def render_template() -> str:
    """Return the same document as a Helm template, controlled by `crds.enabled` and `crds.keep`."""
    head, name, rest = _escape(render()).partition(f"  name: {definition()['metadata']['name']}\n")
    annotations = (
        "  {{- if .Values.crds.keep }}\n"
        "  annotations:\n"
        "    helm.sh/resource-policy: keep\n"
        "  {{- end }}\n"
    )
    return f"{{{{- if .Values.crds.enabled }}}}\n{head}{name}{annotations}{rest}{{{{- end }}}}\n"


def _escape(text: str) -> str:
    """Return the text with `{{` escaped for Helm."""
    return text.replace("{{", '{{ "{{" }}')


def main(arguments: list[str]) -> int:
    """Write both files, or the first alone to the given path; return the exit code."""
    if arguments:
        Path(arguments[0]).write_text(render(), encoding="utf-8")
        return 0
    OUTPUT.write_text(render(), encoding="utf-8")
    TEMPLATE.write_text(render_template(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
