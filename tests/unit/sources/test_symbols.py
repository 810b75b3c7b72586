from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.sources.symbols import BadText, clean_id, clean_name, clean_symbol
from cryptosource_store.reasons import RejectReason


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("btc", "BTC"),
        ("\u00a0btc\u202f", "BTC"),
        ("\ufeffbtc\u200b", "BTC"),
        ("ＢＴＣ", "BTC"),
        ("bTc.e", "BTC.E"),
        ("币安人生", "币安人生"),
        ("_", "_"),
        ("$wif", "$WIF"),
        ("x" * 38, "X" * 38),
    ],
)
def test_symbol_is_upper_case_nfkc_trimmed_and_whole(text, symbol):
    assert clean_symbol(text) == symbol


@pytest.mark.parametrize("clean", [clean_symbol, clean_id, clean_name])
@pytest.mark.parametrize("value", [None, "", "  ", "\u00a0", "\ufeff"])
def test_nothing_is_none(clean, value):
    assert clean(value) is None


@pytest.mark.parametrize(
    "value",
    ["a\0b", "a\nb", "a\x1bb", "a\ud800b", "a\u202eb", "x" * 257, "x" * 1_000_000, 5, True, [], {}],
)
def test_text_that_cannot_be_stored_or_trusted_is_refused(value):
    assert clean_symbol(value)[0] is RejectReason.INVALID_ID
    assert clean_id(value)[0] is RejectReason.INVALID_ID
    assert clean_name(value)[0] is RejectReason.INVALID_NAME


def test_id_and_name_keep_their_case():
    assert clean_id(" Btc-Bitcoin ") == "Btc-Bitcoin"
    assert clean_name("\u00a0Bitcoin SV ") == "Bitcoin SV"


def test_refusal_is_short_and_printable():
    detail = clean_name("a\x1b[31m" * 20).detail
    assert detail.isprintable()
    assert len(detail) < 200


@given(st.text())
def test_cleaning_twice_changes_nothing(text):
    for clean in (clean_symbol, clean_id, clean_name):
        once = clean(text)
        if isinstance(once, str):
            assert clean(once) == once


@given(st.text(st.characters()))
def test_what_passes_can_be_stored(text):
    found = clean_symbol(text)
    if not isinstance(found, BadText | None):
        assert "\0" not in found
        assert found.encode("utf-8")
