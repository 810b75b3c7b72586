from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from cryptosource_api.settings import ApiSettings
from cryptosource_api.tracing.request_tracing import request_provider
from cryptosource_store.environment import InvalidSetting
from cryptosource_telemetry.json_logs import JsonFormatter, configure_logging
from cryptosource_telemetry.tracing import export_wanted


def test_an_empty_environment_means_the_defaults():
    assert ApiSettings.from_environ({}) == ApiSettings()
    assert ApiSettings.from_environ({"CRYPTOSOURCE_API_PORT": " "}) == ApiSettings()


def test_what_is_set_is_read():
    settings = ApiSettings.from_environ(
        {
            "CRYPTOSOURCE_API_HOST": "0.0.0.0",
            "CRYPTOSOURCE_API_PORT": "9000",
            "CRYPTOSOURCE_API_POOL_WAIT_SECONDS": "3",
            "CRYPTOSOURCE_API_CACHE_BYTES": "0",
            "LOG_LEVEL": "debug",
        }
    )

    assert (settings.host, settings.port, settings.pool_wait_seconds) == ("0.0.0.0", 9000, 3)
    assert (settings.cache_bytes, settings.log_level) == (0, "DEBUG")


@pytest.mark.parametrize("value", ["70000", "-1", "8k", "٨", "1" * 5000, "80.0"])
def test_a_bad_number_names_its_variable_and_what_is_right(value):
    with pytest.raises(InvalidSetting, match=r"CRYPTOSOURCE_API_PORT=.*from 0 to 65535"):
        ApiSettings.from_environ({"CRYPTOSOURCE_API_PORT": value})


def test_a_bad_log_level_names_the_good_ones():
    with pytest.raises(InvalidSetting, match="DEBUG, INFO, WARNING, ERROR"):
        ApiSettings.from_environ({"LOG_LEVEL": "loud"})


def test_whether_keys_are_asked_for_is_one_word():
    assert not ApiSettings.from_environ({}).needs_keys
    assert ApiSettings.from_environ({"CRYPTOSOURCE_API_AUTH": "Keys"}).needs_keys
    with pytest.raises(InvalidSetting, match=r"CRYPTOSOURCE_API_AUTH='yes': .*off, keys"):
        ApiSettings.from_environ({"CRYPTOSOURCE_API_AUTH": "yes"})


def test_whether_there_is_documentation_is_one_word():
    assert ApiSettings.from_environ({}).docs
    assert not ApiSettings.from_environ({"CRYPTOSOURCE_API_DOCS": "Off"}).docs
    with pytest.raises(InvalidSetting, match=r"CRYPTOSOURCE_API_DOCS='no': .*on, off"):
        ApiSettings.from_environ({"CRYPTOSOURCE_API_DOCS": "no"})


def test_a_token_is_kept_as_its_hash_alone_and_must_be_long():
    settings = ApiSettings.from_environ({"SCHEDULER_TOKEN": "0123456789abcdef"})

    assert len(settings.scheduler_token_digest) == 32
    assert "digest" not in repr(settings)
    with pytest.raises(InvalidSetting, match="openssl rand") as caught:
        ApiSettings.from_environ({"SCHEDULER_TOKEN": "canary"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_tracing_needs_somewhere_to_send_to(environ, wanted):
    assert export_wanted(environ) is wanted


def test_without_an_exporter_nothing_is_set_up():
    assert request_provider({}) is None


def test_a_log_line_is_one_line_whatever_is_in_it():
    record = logging.makeLogRecord(
        {"msg": "a\nb", "path": "/x\n" + "y" * 9000, "levelname": "INFO"}
    )
    line = JsonFormatter().format(record)

    assert "\n" not in line
    assert json.loads(line)["message"] == "a\nb"
    assert len(line) < 3_000


def test_an_exception_is_kept_in_the_line():
    try:
        int("why")
    except ValueError:
        record = logging.makeLogRecord({"msg": "m", "exc_info": sys.exc_info()})

    assert "ValueError: invalid literal" in json.loads(JsonFormatter().format(record))["exception"]


def test_configured_logs_are_json_on_the_stream():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        configure_logging("INFO", stream=stream)
        logging.getLogger("x").info("hello", extra={"request_id": "r"})
    finally:
        root.handlers[:] = before
        root.setLevel(level)

    assert json.loads(stream.getvalue())["request_id"] == "r"
