from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_crd.urls import check_base_url, check_url, looks_like_key

ACCEPTED = [
    "https://example.com",
    "http://example.com/a.csv",
    "http://127.0.0.1:8080/a.csv",
    "http://[::1]:8080/a.csv",
    "https://example.com/a@b.csv?download=1&keyword=btc&monkey=2",
    "https://docs.google.com/spreadsheets/d/x/export?format=csv&gid=0",
    "https://münchen.example/a.csv",
]


@pytest.mark.parametrize("url", ACCEPTED)
def test_an_http_url_without_credentials_is_returned_as_it_is(url):
    assert check_url(url) == url


REFUSED = {
    "": "http",
    "example.com/a.csv": "http",
    "//example.com/a.csv": "http",
    "ftp://example.com/a.csv": "http",
    "file:///etc/passwd": "http",
    "gopher://example.com": "http",
    "https://": "host",
    "https:///a.csv": "host",
    "https://user@example.com/": "password",
    "https://user:pw@example.com/": "password",
    "https://@example.com/": "password",
    "https://example.com/#top": "fragment",
    "https://example.com:0/": "port",
    "https://example.com:65536/": "not a URL",
    "https://example.com:x/": "not a URL",
    "https://[::1/": "not a URL",
    "https://example.com/?apikey=1": "credential",
    "https://example.com/?api_key=1": "credential",
    "https://example.com/?x_cg_pro_api_key=1": "credential",
    "https://example.com/?a=1&TOKEN=2": "credential",
    "https://example.com/?access_token=2": "credential",
    "https://example.com/?X-Amz-Signature=2": "credential",
    "https://example.com/?sig=2": "credential",
    "https://example.com/?client_secret": "credential",
    "https://example.com/?%61pikey=1": "credential",
}


@pytest.mark.parametrize(("url", "why"), REFUSED.items())
def test_a_url_that_cannot_be_fetched_or_could_leak_a_key_is_refused(url, why):
    with pytest.raises(ValueError, match=why):
        check_url(url)


@pytest.mark.parametrize("name", ["key", "apiKey", "auth", "password", "session-token", "SECRET"])
def test_names_of_credentials_are_recognized(name):
    assert looks_like_key(name)


@pytest.mark.parametrize("name", ["format", "keyword", "monkey", "tokens", "gid", "design"])
def test_names_that_only_resemble_them_are_not(name):
    assert not looks_like_key(name)


def test_a_base_loses_its_slash_and_may_have_no_query():
    assert check_base_url("https://example.com/api/v3/") == "https://example.com/api/v3"
    for url in ("https://example.com/?a=1", "https://example.com/?"):
        with pytest.raises(ValueError, match="query"):
            check_base_url(url)


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"http://{text}"))
def test_any_text_is_a_url_or_refused_with_a_reason(text):
    try:
        assert check_url(text) == text
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
