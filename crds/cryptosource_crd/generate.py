"""`python -m cryptosource_crd.generate`: write crds/cryptosources.yaml."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from cryptosource_crd.generator import definition

OUTPUT = Path(__file__).parents[1] / "cryptosources.yaml"
HEADER = "# Generated from crds/cryptosource_crd by `make generate`: edit the models instead.\n"


class _Dumper(yaml.SafeDumper):
    """Writes equal parts out in full: anchors save space and cost readers."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Return that nothing is to be an alias."""
        return True


def render() -> str:
    """Return the file's text."""
    text = yaml.dump(definition(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return HEADER + text


def main(arguments: list[str]) -> int:
    """Write the file to where it belongs, or to the path given."""
    output = Path(arguments[0]) if arguments else OUTPUT
    output.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
