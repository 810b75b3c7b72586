"""A secret that a process was given shows in nothing it says."""

from __future__ import annotations

import io
import json
import logging

import pytest

from cryptosource_store.api_keys import mint
from cryptosource_telemetry.json_logs import configure_logging
from cryptosource_telemetry.redaction import REDACTED, Redactor, secrets_in

CANARY = "canary-4f1d/9+c"
ENVIRON = {
    "DATABASE_URL": "postgresql://user:canary-4f1d%2F9%2Bc@db.example:5432/prices",
    "COINGECKO_API_KEY": "gecko-canary",
    "SCHEDULER_TOKEN": "token-canary",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20otel-canary, x-key=other-canary",
    "PGPASSWORD": "short",
    "CRYPTOSOURCE_API_PORT": "8000-8000-8000",
    "PATH": "/usr/local/bin:/usr/bin",
}


@pytest.fixture
def stream():
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    written = io.StringIO()
    configure_logging("info", stream=written, environ=ENVIRON)
    yield written
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.mark.parametrize(
    "secret",
    [CANARY, "canary-4f1d%2F9%2Bc", "gecko-canary", "token-canary", "otel-canary", "other-canary"],
)
def test_each_secret_of_the_environment_is_blotted_out(secret: str):
    shown = Redactor(secrets_in(ENVIRON))(f"before {secret} behind")

    assert shown == f"before {REDACTED} behind"


def test_a_secret_that_the_process_read_from_a_file_is_blotted_out_of_its_log(stream):
    configure_logging("info", stream=stream, environ=ENVIRON, secrets=["file-canary", "short"])

    logging.getLogger("plugin").info("a key: file-canary, a short word")

    assert json.loads(stream.getvalue())["message"] == f"a key: {REDACTED}, a short word"


def test_what_is_no_secret_stays():
    redact = Redactor(secrets_in(ENVIRON))
    text = "short words of user at db.example:5432 on 8000-8000-8000 in /usr/local/bin:/usr/bin"

    assert redact(text) == text


def test_a_password_in_any_url_is_blotted_out_with_its_user():
    assert Redactor()("to postgresql://u:p@h:1/d now") == f"to postgresql://{REDACTED}@h:1/d now"
    assert Redactor()("https://h/path@v1?x=u:p@y") == "https://h/path@v1?x=u:p@y"


def test_of_an_issued_key_only_its_public_part_stays():
    key = mint()

    assert Redactor()(f"key {key.key}") == f"key csk_{key.key_id}_{REDACTED}"


def test_no_line_of_the_log_tells_one(stream):
    log = logging.getLogger("t")
    try:
        int(CANARY)
    except ValueError:
        log.exception("with token-canary", extra={"key": "gecko-canary", "list": [CANARY]})

    written = stream.getvalue()
    assert "canary" not in written
    assert json.loads(written)["message"] == f"with {REDACTED}"


def test_a_secret_across_the_limit_of_a_field_is_not_half_told(stream):
    logging.getLogger("t").info("%sgecko-canary", "x" * 1_995)

    assert "gecko" not in stream.getvalue()


@pytest.mark.parametrize("value", ["", "postgresql://[", "://", "a=b,c", "%", "\0"])
def test_odd_values_are_no_error(value: str):
    names = ("DATABASE_URL", "OTEL_EXPORTER_OTLP_HEADERS", "A_KEY")

    Redactor(secrets_in(dict.fromkeys(names, value)))("text")
