"""Exports: the same records as the pages, whole, in one snapshot, and honest about their limits."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import httpx
import pytest
from pyarrow import parquet
from sqlalchemy import URL, Engine

from cryptosource_api.coins.export_selection import HistoryExport, select_history
from cryptosource_api.exports import session as reading
from cryptosource_api.exports.formats import Form
from cryptosource_api.exports.session import ExportSession
from cryptosource_api.http.models import Problem
from support.api import NOON, ApiClient, Market, api_client

TINY = Decimal("0.000000000000000001234567890123456789")


@pytest.fixture
def filled(market: Market) -> Market:
    source = market.source("gecko")
    other = market.source("paprika", "coinpaprika")
    market.coin(
        "BTC",
        source,
        name="=HYPERLINK(1)",
        rank=1,
        price_usd=TINY,
        market_cap_usd=Decimal(10**30),
        percent_change_24h=Decimal("-5.50"),
    )
    asset = market.coin("ETH", source, name='Ether, "the" coin\n', rank=2)
    market.record(asset, other, external_id="eth", symbol="ETH", price_usd=Decimal(3))
    market.run_sql("UPDATE unified SET source_ids = '{1,2}' WHERE asset_id = 2")
    market.coin(None, source, slug="nameless")
    for hour in range(5):
        moment = NOON.replace(hour=hour)
        market.quote(1, source, moment, price_usd=Decimal(hour))
        market.quote(1, other, moment, price_usd=TINY)
    return market


def as_csv(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def as_ndjson(response: httpx.Response) -> list[dict]:
    assert response.status_code == 200, response.text
    return [json.loads(line, parse_float=Decimal) for line in response.text.splitlines()]


def as_parquet(response: httpx.Response) -> list[dict]:
    assert response.status_code == 200, response.text
    return parquet.read_table(io.BytesIO(response.content)).to_pylist()


@pytest.mark.parametrize(
    "query",
    [
        "/data?",
        "/data?sort=name&order=desc&",
        "/data?source=coingecko&",
        "/data?symbol=t&match=partial&",
        "/data?start_date=2027-01-01&",
        "/data/BTC/history?",
        "/data/BTC/history?order=asc&source=gecko&start_date=2026-11-20T01:00:00Z&",
    ],
)
def test_every_form_holds_what_the_pages_hold_in_their_order(
    api: ApiClient, filled: Market, query: str
):
    shown = json.loads(api.get(query).content, parse_float=Decimal)["data"]

    lines = as_ndjson(api.get(f"{query}format=ndjson"))
    rows = as_csv(api.get(f"{query}format=csv"))
    table = as_parquet(api.get(f"{query}format=parquet"))

    assert lines == shown
    assert len(rows) == len(table) == len(shown)
    for row, typed, record in zip(rows, table, shown, strict=True):
        assert list(row) == list(typed) == list(record)
        assert row["price_usd"] == (typed["price_usd"] or "")
        assert (Decimal(row["price_usd"]) if row["price_usd"] else None) == record["price_usd"]
        assert row["observed_at"] == record["observed_at"]


def test_a_name_is_no_formula_and_a_negative_number_is_a_number(api: ApiClient, filled: Market):
    first, second, third = as_csv(api.get("/data?format=csv"))

    assert first["name"] == "'=HYPERLINK(1)"
    assert first["percent_change_24h"] == "-5.50"
    assert first["price_usd"] == f"{TINY:f}"
    assert first["market_cap_usd"] == str(10**30)
    assert second["name"] == 'Ether, "the" coin\n'
    assert second["sources"] == "gecko paprika"
    assert (third["symbol"], third["price_usd"]) == ("", "")


def test_accept_chooses_the_form_and_caches_are_told(api: ApiClient, filled: Market):
    asked = api.get("/data", headers={"Accept": "text/csv"})

    assert len(as_csv(asked)) == 3
    assert asked.headers["vary"] == api.get("/data").headers["vary"] == "Accept"
    refused = api.get("/data", headers={"Accept": "image/png"})
    assert refused.status_code == 406
    assert "text/csv" in Problem.model_validate_json(refused.content).detail


def test_a_file_is_named_for_what_it_holds(api: ApiClient, filled: Market):
    market = filled
    market.coin("ÅB/C", 1, slug="odd")
    odd = api.get("/data/%C3%85B%2FC/history?format=ndjson")

    assert (
        api.get("/data?format=csv").headers["content-disposition"]
        == 'attachment; filename="coins.csv"'
    )
    assert odd.headers["content-disposition"] == (
        "attachment; filename=\"_B_C-history.ndjson\"; filename*=UTF-8''%C3%85B%2FC-history.ndjson"
    )


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_an_export_that_is_held_already_is_not_sent_again(
    api: ApiClient, filled: Market, form: str
):
    url = f"/data?format={form}"
    etag = api.get(url).headers["etag"]

    again = api.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)

    other = "ndjson" if form == "csv" else "csv"
    assert api.get(f"/data?format={other}", headers={"If-None-Match": etag}).status_code == 200
    filled.coin("NEW", 1)
    changed = api.get(url, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_a_list_that_is_too_long_is_refused_and_never_cut(database: URL, filled: Market):
    with api_client(database, export_rows=2) as api:
        refused = api.get("/data?format=csv")
        assert refused.status_code == 422
        problem = Problem.model_validate_json(refused.content)
        assert problem.type == "urn:cryptosource:problem:export-too-long"
        assert "more than the 2 rows" in problem.detail

        assert len(as_csv(api.get("/data?format=csv&limit=2"))) == 2
        assert api.get("/data?format=csv&limit=3").status_code == 422
        assert len(as_csv(api.get("/data?format=csv&symbol=btc"))) == 1


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("format=csv&page=1", "an export has no pages"),
        ("format=csv&cursor=abc", "an export has no pages"),
        ("format=csv&limit=0", "greater than or equal to 1"),
        ("format=xml", "'json', 'csv', 'ndjson' or 'parquet'"),
        ("format=csv&sort=colour", "'rank'"),
    ],
)
def test_what_an_export_cannot_do_is_said_before_anything_is_sent(
    api: ApiClient, query: str, says: str
):
    refused = api.get(f"/data?{query}")

    assert refused.status_code == 422
    assert says in refused.text


def test_an_unknown_coin_is_a_404_in_any_form(api: ApiClient):
    assert api.get("/data/NOPE/history?format=parquet").status_code == 404


def test_rows_are_taken_from_the_database_a_batch_at_a_time(
    engine: Engine, filled: Market, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "BATCH_ROWS", 3)
    session = ExportSession(engine, Form.NDJSON, max_rows=100)
    session.open(lambda connection: select_history(connection, "BTC", HistoryExport()))

    batches = list(iter(session.next, None))
    session.close()

    assert [batch.count(b"\n") for batch in batches] == [3, 2, 0]


def test_a_query_that_takes_too_long_is_a_503_and_gives_its_place_back(
    database: URL, filled: Market
):
    filled.run_sql("ALTER TABLE assets RENAME TO slow_assets")
    filled.run_sql("CREATE VIEW assets AS SELECT s.* FROM slow_assets s, (SELECT pg_sleep(60)) nap")
    with api_client(database, export_statement_seconds=1, export_concurrency=1) as api:
        for _ in range(2):
            refused = api.get("/data?format=csv")
            assert refused.status_code == 503
            assert refused.json()["type"].endswith("statement-timeout")
            assert "retry-after" in refused.headers
