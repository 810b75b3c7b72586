"""`cryptosource keys`: shown once, stored hashed, listed without secrets, revoked for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine, text

from cryptosource_cli.main import cli
from support.commands import environment


@pytest.fixture
def keys(database: URL, tmp_path: Path):
    def call(*arguments: str) -> Result:
        return CliRunner(env=environment(database, tmp_path)).invoke(cli, ["keys", *arguments])

    return call


def test_a_key_is_printed_alone_once_and_nothing_of_it_is_stored_but_its_hash(keys, engine: Engine):
    made = keys("create", "--name", "dashboard")
    key = made.stdout.strip()

    assert made.exit_code == 0
    assert key.startswith("csk_")
    assert "dashboard" in made.stderr
    assert key not in made.stderr
    with engine.connect() as connection:
        stored = str(connection.execute(text("SELECT * FROM api_keys")).all())
    assert key.split("_", 2)[2] not in stored
    assert "365" not in stored
    listed = keys("list")
    assert key.split("_")[1] in listed.stdout
    assert key.split("_", 2)[2] not in listed.stdout + keys("list", "-o", "json").stdout


def test_json_holds_scopes_and_expiry(keys):
    made = json.loads(
        keys(
            *("create", "--name", "ci", "--scope", "trigger", "--scope", "read"),
            *("--never-expires", "-o", "json"),
        ).stdout
    )

    assert made["scopes"] == ["read", "trigger"]
    assert made["expires_at"] is None
    assert made["key"].split("_")[1] == made["key_id"]
    assert "digest" not in made


def test_a_key_is_revoked_by_name_or_id_and_only_once(keys):
    keys("create", "--name", "a")
    keys("create", "--name", "a")
    other = json.loads(keys("create", "--name", "b", "-o", "json").stdout)

    assert keys("revoke", "a").stdout.count("Revoked") == 2
    assert keys("revoke", other["key_id"]).stdout == f"Revoked {other['key_id']} (b).\n"
    again = keys("revoke", "a")
    assert again.exit_code == 78
    assert "cryptosource keys list" in again.stderr
    states = [row["state"] for row in json.loads(keys("list", "-o", "json").stdout)]
    assert states == ["revoked"] * 3


def test_nothing_yet_says_how_to_make_one(keys):
    assert "cryptosource keys create" in keys("list").stdout


@pytest.mark.parametrize("name", [" ", "x" * 101, "two\nlines"])
def test_a_name_that_cannot_be_shown_is_refused(keys, name: str):
    refused = keys("create", "--name", name)

    assert refused.exit_code == 78
    assert "--name" in refused.stderr


@pytest.mark.parametrize("arguments", [("--scope", "write"), ("--days", "0")])
def test_unknown_scopes_and_no_days_are_refused(keys, arguments):
    assert keys("create", "--name", "a", *arguments).exit_code == 2
