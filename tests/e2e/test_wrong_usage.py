"""Mistakes a person can make: one clear line, an exit code that is not 0, never a traceback."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL

from support.commands import cryptosource, environment
from support.manifests import csv, resource, row, write, write_rows
from support.oracle import value

SSL_REQUEST = struct.pack(">HH", 1234, 5679)
"""The code in a client's question whether to encrypt."""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """One that nothing is wrong with."""
    return write(tmp_path, csv(write_rows(tmp_path / "coins.csv", [row(1)])))


class _RefusePassword(socketserver.BaseRequestHandler):
    """Says what Postgres says to a wrong password (protocol 3.0, message ErrorResponse)."""

    def handle(self) -> None:
        while start := self.request.recv(1024):
            if start[4:8] == SSL_REQUEST:
                self.request.sendall(b"N")
                continue
            told = 'Mpassword authentication failed for user "someone"'
            fields = b"".join(f"{field}\0".encode() for field in ("SFATAL", "C28P01", told))
            self.request.sendall(b"E" + struct.pack(">I", len(fields) + 5) + fields + b"\0")
            return


@contextmanager
def password_refusing_postgres() -> Iterator[int]:
    """Yield the port of a server that refuses everybody's password."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _RefusePassword) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def complaint(*arguments: str | Path, env: dict[str, str]) -> tuple[int, str]:
    """Run a command that must fail; return its exit code and what it says, on few lines."""
    ran = cryptosource(*arguments, env=env)
    assert ran.returncode != 0, ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "unforeseen" not in ran.stderr, "somebody should have foreseen this"
    assert 0 < len(ran.stderr.strip().splitlines()) <= 5, ran.stderr
    return ran.returncode, ran.stderr


def test_every_unreadable_manifest_of_a_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    bad = {
        "not-yaml": "spec: [",
        "binary": "\x00\x01",
        "nameless": "{kind: CryptoSource, apiVersion: cryptosource.io/v1alpha1}",
        "loop": "&a [*a]",
    }
    for name, content in bad.items():
        (folder / f"{name}.yaml").write_text(content)

    code, said = complaint("up", "-f", folder, env=environment(None, tmp_path / "data"))

    assert code == 78
    assert [name for name in bad if f"{name}.yaml" not in said] == []
    assert not (tmp_path / "data").exists(), "nothing starts before the manifests are read"


@pytest.mark.parametrize("command", ["run", "up"])
def test_manifest_without_a_source_says_so(tmp_path: Path, command: str) -> None:
    (tmp_path / "empty.yaml").write_text("")

    code, said = complaint(command, "-f", tmp_path, env=environment(None, tmp_path / "data"))

    assert code == 78
    assert "no CryptoSource" in said


def test_bad_spec_is_explained_with_its_path(tmp_path: Path) -> None:
    bad = resource("bad", "CSV", csv={"path": "x.csv", "url": "http://example.com/x"}, batchSize=0)
    path = write(tmp_path, bad)

    code, said = complaint("run", "-f", path, env=environment(None, tmp_path))

    assert code == 78
    assert "spec.batchSize" in said
    assert "spec.csv" in said


def test_missing_manifest_is_named(tmp_path: Path) -> None:
    code, said = complaint("run", "-f", tmp_path / "gone.yaml", env=environment(None, tmp_path))

    assert code == 78
    assert "gone.yaml" in said


def test_missing_data_file_fails_the_run_and_is_named(database: URL, tmp_path: Path, run) -> None:
    ran = run(write(tmp_path, csv(tmp_path / "gone.csv")))

    assert ran.returncode == 78
    assert "gone.csv" in ran.stdout
    assert value(database, "SELECT reason FROM etl_runs") == "FileNotFound"


@pytest.mark.parametrize(
    ("command", "url", "code", "expected"),
    [
        ("run", "not a url", 78, "is not a URL; write postgresql://"),
        ("up", "mysql://root:pa55@localhost/x", 78, "only Postgres works"),
        ("run", "postgresql://u:pa55@127.0.0.1:1/x", 75, "Connection refused"),
        ("up", "postgresql://u:pa55@127.0.0.1:1/x", 75, "Connection refused"),
        ("migrate", "postgresql://u:pa55@127.0.0.1:1/x", 75, "Connection refused"),
        ("run", "postgresql://u:pa55@no-such-host.invalid/x", 75, "no-such-host.invalid"),
        ("run", "postgresql://u:pa55@127.0.0.1:notaport/x", 78, "is not a URL"),
    ],
)
def test_wrong_database_url_says_what_to_change(
    manifest: Path, tmp_path: Path, command: str, url: str, code: int, expected: str
) -> None:
    arguments = () if command == "migrate" else ("-f", manifest)
    env = {**environment(None, tmp_path / "data"), "DATABASE_URL": url}

    returned, said = complaint(command, *arguments, env=env)

    assert returned == code
    assert expected in said
    assert "DATABASE_URL" in said
    assert "pa55" not in said


def test_wrong_password_is_told_without_showing_it(manifest: Path, tmp_path: Path) -> None:
    with password_refusing_postgres() as port:
        url = f"postgresql://someone:pa55@127.0.0.1:{port}/x"
        env = {**environment(None, tmp_path / "data"), "DATABASE_URL": url}
        code, said = complaint("run", "-f", manifest, env=env)

    assert code == 75
    assert 'password authentication failed for user "someone"' in said
    assert "DATABASE_URL" in said
    assert "pa55" not in said


def test_unknown_database_is_named(database: URL, manifest: Path, tmp_path: Path) -> None:
    env = environment(database.set(database="nobody_made_this"), tmp_path / "data")

    code, said = complaint("run", "-f", manifest, env=env)

    assert code == 75
    assert "nobody_made_this" in said
    assert "DATABASE_URL" in said


def test_database_without_schema_says_how_to_migrate(
    postgres: URL, manifest: Path, tmp_path: Path
) -> None:
    code, said = complaint("run", "-f", manifest, env=environment(postgres, tmp_path / "data"))

    assert code == 75
    assert "cryptosource migrate" in said


@pytest.mark.parametrize("command", ["up", "api"])
def test_port_in_use_is_named_and_nothing_runs(
    database: URL, manifest: Path, tmp_path: Path, command: str
) -> None:
    arguments = ("-f", manifest) if command == "up" else ()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = environment(database, tmp_path / "data")
        code, said = complaint(command, *arguments, "--port", port, env=env)

    assert code == 78
    assert f"Port {port}" in said
    assert "--port" in said
    assert value(database, "SELECT count(*) FROM etl_runs") == 0


@pytest.mark.parametrize(
    "arguments",
    [("fly",), ("run", "--fast"), ("up", "--port", "70000")],
    ids=" ".join,
)
def test_wrong_command_line_shows_the_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, said = complaint(*arguments, env=environment(None, tmp_path))

    assert code == 2
    assert "Usage: cryptosource" in said


@pytest.mark.parametrize("command", ["run", "up"])
def test_data_folder_that_cannot_be_made_is_named(
    manifest: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    data_dir = tmp_path / "file" / "data"

    code, said = complaint(command, "-f", manifest, env=environment(None, data_dir))

    assert code in {75, 78}
    assert str(data_dir) in said
    assert "CRYPTOSOURCE_DATA_DIR" in said


@pytest.mark.parametrize(
    ("command", "variable", "content"),
    [
        ("run", "FAIL_AFTER_N_RECORDS", "many"),
        ("run", "FAIL_AFTER_N_RECORDS", "0"),
        ("up", "FAIL_AFTER_N_RECORDS", "-1"),
        ("run", "CRYPTOSOURCE_EGRESS_ALLOW", "everything"),
        ("up", "CRYPTOSOURCE_EGRESS_ALLOW", "10.0.0.0/99"),
        ("run", "CRYPTOSOURCE_CRASH_AT", "nowhere"),
        ("up", "CRYPTOSOURCE_CRASH_AT", "claimed:soon"),
    ],
)
def test_variable_that_cannot_be_used_is_named(
    database: URL, manifest: Path, tmp_path: Path, command: str, variable: str, content: str
) -> None:
    env = environment(database, tmp_path / "data", **{variable: content})

    code, said = complaint(command, "-f", manifest, env=env)

    assert code == 78
    assert variable in said
    assert value(database, "SELECT count(*) FROM etl_runs") == 0


def test_several_sources_need_a_choice(database: URL, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "coins.csv", [row(1)])
    manifest = write(tmp_path, csv(file, name="one"), csv(file, name="two"))

    code, said = complaint("run", "-f", manifest, env=environment(database, tmp_path / "data"))

    assert code == 78
    assert "--source: crypto/one, crypto/two" in said
