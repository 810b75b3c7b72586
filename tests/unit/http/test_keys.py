"""F43: a key leaves in its header and appears nowhere else."""

from __future__ import annotations

import logging
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.errors import Permanent, RunError
from cryptosource_etl.http import Answer, TryAgain
from cryptosource_etl.http.request import mask_secret, prepare
from cryptosource_store.reasons import Reason
from support.wire import Wire, answer, hang_up, raw, reset_after, truncated

KEY = "CG-canary-0123456789abcdef"
AUTH = ("x-cg-demo-api-key", KEY)
ECHO = KEY.encode()


def call(url="https://api.test/v1", **over):
    parts = {"params": None, "headers": None, "auth_header": AUTH, "validators": None}
    return prepare(url, **(parts | {"classify": None, "user_agent": "test"} | over))


def echo(got: Answer):
    text = got.head.decode(errors="replace")
    return {
        418: Permanent(Reason.UPSTREAM_REFUSED, text),
        419: TryAgain(reason=Reason.UPSTREAM_ERROR, detail=text),
        420: Permanent(Reason.UPSTREAM_REFUSED, "x" * 245 + text),
    }.get(got.status)


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(401, ECHO),
        answer(403, ECHO),
        answer(404, ECHO),
        answer(429, ECHO, retry_after="999"),
        answer(500, ECHO),
        answer(302, location=f"https://{KEY}.evil.test/{KEY}"),
        answer(302, location=f"/?q={KEY}"),
        answer(200, ECHO, content_encoding=KEY),
        answer(418, ECHO),
        answer(419, ECHO),
        answer(420, ECHO),
        raw(b"HTTP/1.1 200 OK\r\n" + ECHO + b"\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nx: " + ECHO + b"\x00\r\n\r\n"),
        raw(ECHO + b"\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + ECHO + b"\r\n"),
        reset_after(b""),
        truncated(ECHO * 9, sent=40),
        hang_up,
    ],
    ids=lambda _: "",
)
def test_no_error_traceback_or_log_holds_the_key_even_if_the_upstream_echoes_it(
    make_client, caplog, behaviour
):
    caplog.set_level(logging.DEBUG)
    client = make_client(retry={"max_attempts": 2})
    with Wire(behaviour) as wire:
        with pytest.raises(RunError) as failure:
            client.get(wire.url(), auth_header=AUTH, classify=echo)

        assert wire.received[0].headers[AUTH[0]] == KEY
    logged = "".join(
        str(vars(record)) for record in caplog.records if "cryptosource" in record.name
    )
    shown = "".join(traceback.format_exception(failure.value))
    for text in (shown, repr(failure.value), str(failure.value), failure.value.message, logged):
        assert KEY not in text
        assert KEY[:8] not in text


@given(st.text(max_size=80), st.text(max_size=80), st.integers(1, 200))
def test_masking_leaves_no_part_of_the_key_that_could_be_recognised(before, after, cut):
    masked = mask_secret(KEY, f"{before}{KEY}{after}"[:cut])

    assert KEY[:6] not in masked or KEY[:6] in before + after


@pytest.mark.parametrize(
    "name",
    [
        "x_cg_demo_api_key",
        "x_cg_pro_api_key",
        "api_key",
        "apikey",
        "API-KEY",
        "key",
        "token",
        "access_token",
    ],
)
def test_a_parameter_that_is_named_like_a_key_is_refused(make_client, name):
    with Wire(answer()) as wire:
        for over in ({"params": {name: "v"}}, {}):
            url = wire.url() if over else wire.url(f"/?{name}=v")
            with pytest.raises(Permanent, match="looks like a credential") as failure:
                make_client().get(url, **over)
            assert failure.value.reason is Reason.INVALID_SPEC

        assert wire.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        f"https://api.test/?q={KEY}",
        f"https://api.test/{KEY}/tickers",
        f"https://api.test/?q=a{KEY}b",
        f"https://api.test/?q={KEY.replace('-', '%2D')}",
    ],
)
def test_the_key_itself_is_refused_anywhere_in_a_url(url):
    with pytest.raises(Permanent, match="holds the API key") as failure:
        call(url)

    assert KEY not in failure.value.message


@pytest.mark.parametrize("name", ["ids", "include_tokens", "symbols", "page", "vs_currency"])
def test_the_vendors_own_parameters_pass(name):
    assert call(params={name: "x"}).url.params[name] == "x"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.test",
        "ftp://api.test/",
        "file:///etc/passwd",
        "http://",
        "https://[::1",
        "http://a:b/",
    ],
)
def test_a_url_that_cannot_be_used_says_so_without_repeating_it(url):
    with pytest.raises(Permanent, match="the source's URL") as failure:
        call(url)

    assert failure.value.reason is Reason.INVALID_SPEC
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


def test_a_user_and_password_in_a_url_are_refused():
    with pytest.raises(Permanent, match="remove them") as failure:
        call("https://someone:hunter22@api.test/")

    assert "hunter22" not in failure.value.message


@pytest.mark.parametrize("key", ["", f"{KEY}\n", f"{KEY} ", f"{KEY}\r\nx: y", "ключ", "\x00"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key):
    with pytest.raises(Permanent, match="store it in the Secret again") as failure:
        call(auth_header=("authorization", key))

    assert failure.value.reason is Reason.KEY_REJECTED
    assert KEY not in failure.value.message


def test_a_header_that_would_break_the_request_is_refused():
    with pytest.raises(Permanent, match="'x-a' cannot be sent"):
        call(headers={"X-A": "b\r\nhost: evil.test"})


def test_the_repr_of_a_call_shows_neither_headers_nor_query():
    assert KEY not in repr(call(params={"ids": "bitcoin"}))
    assert "bitcoin" not in repr(call(params={"ids": "bitcoin"}))


def test_callers_cannot_replace_what_the_client_answers_for():
    sent = call(headers={"Accept-Encoding": "br", "Cookie": "a=b", "Accept": "text/csv"}).headers

    assert sent["accept-encoding"] == "gzip"
    assert "cookie" not in sent
    assert sent["accept"] == "text/csv"
