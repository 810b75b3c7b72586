"""Every command shows how it is used."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cryptosource_cli.main import SUBCOMMANDS, cli


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_shows_an_example(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])

    assert result.exit_code == 0
    assert "Example: " in result.stdout
    assert f"cryptosource {name}" in " ".join(result.stdout.split("Example: ")[1].split())


def test_help_of_the_whole_lists_every_command() -> None:
    result = CliRunner().invoke(cli, ["--help"])

    listed = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ")}
    assert set(SUBCOMMANDS) <= listed
