"""`cryptosource migrate` as a person, a Job and an init container call it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL

from cryptosource_cli.main import cli
from cryptosource_store.schema_migration import head_revision, migrate
from support.commands import environment, started
from support.revisions import set_revision
from support.waits import eventually

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture
def call(empty_database: URL, tmp_path: Path):
    def call(*arguments: str, url: URL = empty_database) -> Result:
        return CliRunner(env=environment(url, tmp_path)).invoke(cli, ["migrate", *arguments])

    return call


def test_it_says_where_the_schema_was_and_is(call) -> None:
    first, second = call(), call()

    assert first.stdout == f"The schema went from nothing to {head_revision()}.\n"
    assert second.stdout == f"The schema is at {head_revision()} already.\n"


def test_a_check_changes_nothing_and_tells(call) -> None:
    before, again = call("--check"), call("--check")
    call()
    after = call("--check")

    assert (before.exit_code, again.exit_code, after.exit_code) == (75, 75, 0)
    assert "the database is at schema none" in again.stderr


def test_who_waits_goes_on_once_the_schema_is_there(empty_database: URL, tmp_path: Path) -> None:
    command = ("migrate", "--check", "--wait", "120")
    with started(*command, env=environment(empty_database, tmp_path), folder=tmp_path) as waiting:
        eventually(lambda: "waiting: the database is at schema none" in waiting.stderr)
        migrate(empty_database)
        code = waiting.wait()

    assert code == 0
    assert waiting.stderr.count("waiting:") == 1, "each reason is told once"


@pytest.mark.parametrize("option", ["--check", "--revision=head"])
def test_who_waits_in_vain_says_what_for(call, empty_database: URL, option: str) -> None:
    result = call(option, "--wait", "0.1", url=empty_database.set(database="nobody_made_this"))

    assert result.exit_code == 75
    assert "nobody_made_this" in result.stderr


def test_what_can_never_work_is_not_waited_for(tmp_path: Path) -> None:
    variables = environment(None, tmp_path) | {"DATABASE_URL": "mysql://root:pa55@localhost/x"}

    result = CliRunner(env=variables).invoke(cli, ["migrate", "--wait", "3600"])

    assert result.exit_code == 78
    assert "pa55" not in result.stderr


def test_a_schema_of_a_newer_version_is_left_as_it_is(call, empty_database: URL) -> None:
    """A release that is rolled back runs its own, older migration on the newer schema."""
    call()
    set_revision(empty_database, "9999_of_a_newer_version")

    result, back = call(), call("--revision", "base")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == "The schema is at 9999_of_a_newer_version already.\n"
    assert call("--check").exit_code == 0
    assert back.exit_code == 78
    assert "of a newer version; take it back with that one" in back.stderr


@pytest.mark.parametrize("option", ["--check", "--revision=head", "--revision=base"])
def test_a_schema_from_before_the_first_release_is_not_waited_for(
    call, empty_database: URL, option: str
) -> None:
    call()
    set_revision(empty_database, "0007")

    result = call(option, "--wait", "3600")

    assert result.exit_code == 78
    assert "the database is at schema 0007, which no released version makes" in result.stderr
    assert "use an empty database" in result.stderr


@pytest.mark.parametrize(
    "command", [("status",), ("maintain",), ("up", "--once", "-f", str(SAMPLES / "csv.yaml"))]
)
def test_no_command_works_on_a_schema_from_before_the_first_release(
    call, empty_database: URL, tmp_path: Path, command: tuple[str, ...]
) -> None:
    call()
    set_revision(empty_database, "0007")

    result = CliRunner(env=environment(empty_database, tmp_path)).invoke(cli, command)

    assert result.exit_code == 78
    assert "the database is at schema 0007, which no released version makes" in result.stderr


def test_a_revision_that_does_not_exist_is_one_line(call) -> None:
    result = call("--revision", "0005")

    assert result.exit_code == 78
    assert result.stderr == (
        f"Error: there is no schema 0005; this version knows {head_revision()}\n"
    )
