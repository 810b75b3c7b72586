"""`cryptosource verify` against a served API, as whoever operates it would run it."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, text

from cryptosource_store.api_keys import Scope
from support.api import Market
from support.api_keys import make_key
from support.commands import cryptosource, environment
from support.readers import coin
from support.runs import load
from support.serving import ServedApi, serving


@pytest.fixture
def api(database: URL, tmp_path: Path) -> Iterator[ServedApi]:
    env = environment(database, tmp_path)
    with serving("api", env=env, folder=tmp_path, name="api") as served:
        yield served


def verify(url: str, *options: str, **variables: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code, and the findings by the name of their check."""
    env = environment(None, Path("/nonexistent"), **variables)
    done = cryptosource("verify", "--url", url, "-o", "json", *options, env=env)
    assert done.stdout.startswith("["), done.stderr
    return done.returncode, {each["check"]: each for each in json.loads(done.stdout)}


def failed(findings: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: one["detail"] for name, one in findings.items() if one["result"] == "failed"}


def at(api: ServedApi) -> str:
    return f"http://localhost:{api.port}"


def loaded_now(database: URL) -> None:
    load(database, [coin("bitcoin", symbol="BTC", rank=1), coin("eth", symbol="ETH", rank=2)])


def test_a_deployment_that_is_well_passes_every_check(api: ServedApi, database: URL):
    loaded_now(database)

    code, findings = verify(at(api))

    assert failed(findings) == {}
    assert code == 0
    assert findings["source test/a"]["result"] == "ok"
    assert "last run success (Completed)" in findings["source test/a"]["detail"]
    assert findings["tickers"]["detail"].startswith("2 coins, 2 of them")
    assert findings["tls"]["result"] == "skipped"
    for path in ("/", "/data", "/data/{coin_id}", "/stats/runs/{run_id}", "/metrics"):
        assert findings[f"GET {path}"]["result"] == "ok", path


def test_a_fresh_deployment_without_sources_passes(api: ServedApi):
    code, findings = verify(at(api))

    assert (code, failed(findings)) == (0, {})
    assert findings["sources"]["result"] == "warning"
    assert findings["GET /data/{coin_id}"]["result"] == "skipped"


@pytest.mark.parametrize(("options", "code"), [((), 1), (("--no-sources",), 0)])
def test_a_source_that_fails_is_named_with_its_reason(
    api: ServedApi, database: URL, engine: Engine, options: tuple[str, ...], code: int
):
    with Market(engine) as market:
        source = market.source("sick", max_age_seconds=60)
        market.run(source, "failure", reason="UpstreamError", message="it said 500")

    found, findings = verify(at(api), *options)

    assert found == code
    assert findings["source crypto/sick"]["result"] == ("failed" if code else "warning")
    assert "UpstreamError" in findings["source crypto/sick"]["detail"]


def test_an_older_schema_fails_with_what_to_do(api: ServedApi, engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    code, findings = verify(at(api))

    assert code == 1
    assert "cryptosource migrate" in failed(findings)["ready"]


def test_a_database_that_is_away_fails(api: ServedApi, engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE sources RENAME TO gone"))

    code, findings = verify(at(api))

    assert code == 1
    assert "database" in failed(findings)


def test_without_a_key_it_says_that_one_is_needed_and_with_one_it_passes(
    database: URL, engine: Engine, tmp_path: Path
):
    loaded_now(database)
    key = make_key(engine, Scope.READ)
    env = environment(database, tmp_path, CRYPTOSOURCE_API_AUTH="keys")
    with serving("api", env=env, folder=tmp_path, name="api") as api:
        code, without = verify(at(api))
        with_key, findings = verify(at(api), "--api-key-env", "A_KEY", A_KEY=key)

    assert (code, with_key) == (0, 0)
    assert without["reachable"]["result"] == without["ready"]["result"] == "ok"
    assert "--api-key-env" in without["metrics"]["detail"]
    assert findings["tickers"]["result"] == findings["metrics"]["result"] == "ok"
    assert findings["GET /health/detailed"]["result"] == "skipped"
    assert "scopes" in findings["GET /health/detailed"]["detail"]


def test_without_a_description_the_endpoints_are_not_judged(database: URL, tmp_path: Path):
    loaded_now(database)
    env = environment(database, tmp_path, CRYPTOSOURCE_API_DOCS="off")
    with serving("api", env=env, folder=tmp_path, name="api") as api:
        code, findings = verify(at(api))

        assert "docs at" not in api.command.stdout
    assert code == 0
    assert findings["endpoints"]["result"] == "skipped"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--url", "prices.example"), "write https://HOST"),
        (("--url", "ftp://prices.example"), "write https://HOST"),
        (("--url", "http://[::1"), "write https://HOST"),
        (("--url", "https://u:canary@prices.example"), "must have no user"),
        (("--url", "https://prices.example?key=canary"), "must have no user"),
        (("--url", "http://h", "--api-key-env", "NOT_SET"), "NOT_SET is not set"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_tells_no_secret(options: tuple[str, ...], words: str):
    done = cryptosource("verify", *options, env=environment(None, Path("/nonexistent")))

    assert done.returncode == 78
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "canary" not in done.stderr + done.stdout


def test_nobody_there_is_one_finding():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    done = cryptosource(
        "verify", "--url", f"http://127.0.0.1:{port}", env=environment(None, Path("/nonexistent"))
    )

    assert done.returncode == 1
    assert done.stdout.splitlines()[0].split() == ["CHECK", "RESULT", "DETAIL"]
    assert "Connection refused" in done.stdout
    assert "1 failed" in done.stdout
    assert not done.stderr


class Impostor(BaseHTTPRequestHandler):
    """Answers everything, and nothing as this API does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@contextmanager
def impostor(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yield the port of a server that is not this API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_another_service_fails_and_is_no_traceback():
    with impostor() as port:
        code, findings = verify(f"http://127.0.0.1:{port}")

    assert code == 1
    assert {"ready", "database", "metrics", "endpoints"} <= failed(findings).keys()
    assert "another service" in failed(findings)["ready"]


def test_https_of_a_port_that_speaks_http_says_so():
    with impostor() as port:
        code, findings = verify(f"https://127.0.0.1:{port}")

    assert code == 1
    assert "http:// instead of https://" in failed(findings)["reachable"]


def certified(folder: Path, days: int) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for localhost that signs itself; return a server's context for it."""
    file, secret = folder / "certificate.pem", folder / "key.pem"
    options = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(secret), "-out", str(file), "-days", str(days)]
    subprocess.run(["openssl", *options, *named, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return context, file


@pytest.mark.parametrize(("days", "result"), [(60, "ok"), (3, "failed")])
def test_a_certificate_that_ends_soon_fails(tmp_path: Path, days: int, result: str):
    context, file = certified(tmp_path, days)
    with impostor(context) as port:
        _, findings = verify(f"https://localhost:{port}", SSL_CERT_FILE=str(file))

    assert findings["reachable"]["result"] == "ok"
    assert findings["tls"]["result"] == result
    assert f"{days - 1} days from now" in findings["tls"]["detail"]


def test_a_certificate_that_nobody_vouches_for_fails(tmp_path: Path):
    context, _ = certified(tmp_path, 60)
    with impostor(context) as port:
        code, findings = verify(f"https://localhost:{port}")

    assert code == 1
    assert list(findings) == ["reachable"]
    assert "does not hold" in findings["reachable"]["detail"]
