"""What holds for every page: negotiation, headers, markup, hostile names, problems."""

from __future__ import annotations

import pytest
from hack.showcase.seeding import seed
from sqlalchemy import Engine

from cryptosource_api.page.renderer import POLICY
from cryptosource_api.page.static_files import PAGE_FILES
from support.api import ApiClient, Market
from support.html import Element

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.niocteb\u202c",
    "{{ 7 * 7 }}{% raw %}",
    "W" * 300,
    "'; DROP TABLE assets; --",
)
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def pages(engine: Engine, api: ApiClient) -> dict[str, str]:
    """A filled database's pages: path -> markup."""
    seed(engine)
    run = api.get("/stats/runs?limit=1").json()["data"][0]["run_id"]
    drifted = api.get("/stats/runs?source=coinpaprika&limit=1").json()["data"][0]["run_id"]
    paths = ("/", "/coins", "/coins/BTC", "/runs", f"/runs/{run}", f"/runs/{drifted}")
    return {path: api.get(path, headers=HTML).text for path in paths}


def test_browsers_get_the_page_and_others_the_index(api: ApiClient):
    for accept, kind in {
        "text/html,*/*;q=0.8": "text/html; charset=utf-8",
        "*/*": "application/json",
        "application/json": "application/json",
    }.items():
        answer = api.get("/", headers={"Accept": accept})

        assert answer.headers["content-type"] == kind
        assert answer.headers["vary"] == "Accept"


def test_the_index_names_the_pages(api: ApiClient):
    routes = {route["path"] for route in api.get("/").json()["data"]["routes"]}

    assert {"/coins", "/runs"} <= routes


def test_a_page_lets_nothing_in_but_our_own_files(api: ApiClient):
    headers = api.get("/", headers=HTML).headers

    assert headers["content-security-policy"] == POLICY
    for directive in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ):
        assert directive in POLICY.split("; ")
    assert "unsafe" not in POLICY
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_no_page_needs_what_the_policy_forbids(pages: dict[str, str], parsed):
    for path, page in parsed(pages).items():
        assert not page.all("style"), path
        for element in page.walk():
            names = element.attributes.keys()
            assert not [name for name in names if name == "style" or name.startswith("on")], path
            address = element.attributes.get("src") or element.attributes.get("href") or ""
            assert not address.startswith(("http", "//", "data:", "javascript:")), path
        assert [script.text for script in page.all("script")] == [""], path


def test_every_page_can_be_read_without_eyes(pages: dict[str, str], parsed):
    for path, page in parsed(pages).items():
        assert page.one("html").attributes["lang"] == "en", path
        assert len(page.all("h1")) == 1, path
        assert page.one("a", class_="skip").attributes["href"] == "#main", path
        assert page.one("main").attributes["id"] == "main", path
        for table in page.all("table"):
            assert table.one("caption").text, path
            assert all(cell.attributes.get("scope") for cell in table.all("th")), path
        for drawing in page.all("svg"):
            named = drawing.attributes.get("aria-label")
            hidden = drawing.attributes.get("aria-hidden") == "true"
            assert bool(named) is not hidden, path
        labelled = {label.attributes["for"] for label in page.all("label")}
        for field in [*page.all("select"), *page.all("input", type="search")]:
            assert field.attributes["id"] in labelled, path


def test_ids_are_unique(pages: dict[str, str], parsed):
    for path, page in parsed(pages).items():
        ids = [each.attributes["id"] for each in page.walk() if "id" in each.attributes]

        assert len(ids) == len(set(ids)), path


def test_every_link_of_a_page_leads_somewhere(pages: dict[str, str], parsed, api: ApiClient):
    links = {
        link.attributes["href"]
        for page in parsed(pages).values()
        for link in page.all("a")
        if link.attributes["href"].startswith("/")
    }

    assert len(links) > 50
    failed = {link: api.get(link, headers=HTML).status_code for link in sorted(links)}
    assert {link: status for link, status in failed.items() if status != 200} == {}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_text(market: Market, show, name):
    source_id = market.source(name[:200])
    market.coin(name.upper()[:200], source_id, slug="hostile", name=name, price_usd=1)
    run_id = market.run(source_id, "failure", reason="UpstreamError", message=name)
    market.run_sql(
        "INSERT INTO rejected_records (source_id, external_id, digest, reason, field, detail, "
        "contract_version, raw_id, run_id) VALUES (:source_id, :name, gen_random_uuid(), "
        "'MissingId', :name, :name, '1', 1, :run_id)",
        source_id=source_id,
        name=name,
        run_id=str(run_id),
    )

    source = show("/").one("a", class_="name").attributes["href"]
    for path in ("/", source, "/coins", "/coins/~hostile", "/runs", f"/runs/{run_id}"):
        page: Element = show(path)
        assert len(page.all("script")) == 1, path
        assert not page.all("img"), path
        isolated = [each.text for each in page.all("bdi")]
        folded = " ".join(name.split())
        assert any(folded[:200].upper() in text.upper() for text in isolated), path


def test_what_is_searched_for_is_shown_as_text(show):
    page = show("/coins?q=%3Cscript%3Ealert(1)%3C/script%3E")

    assert page.one("input", name="q").attributes["value"] == "<script>alert(1)</script>"
    assert len(page.all("script")) == 1


def test_what_is_not_there_is_told_on_a_page(show):
    for path in (
        "/coins/NOPE",
        "/sources/crypto/nobody",
        "/runs/00000000-0000-0000-0000-000000000000",
        "/page/secret.css",
    ):
        page = show(path, status=404)
        assert page.one("h1").text == "There is no such thing"


@pytest.mark.parametrize("path", ["/coinz", "/page/..%2Frouting.py", "/page/"])
def test_a_mistyped_address_leads_back_to_the_pages(show, api: ApiClient, path):
    page = show(path, status=404)

    assert page.one("h1").text == "Not Found"
    assert api.get(path).headers["content-type"] == "application/problem+json"


def test_a_run_that_is_no_uuid_is_refused_on_a_page(show):
    assert "UUID" in show("/runs/1", status=422).one("main").text


def test_a_database_that_is_away_is_told_on_a_page(api: ApiClient, show, market: Market):
    market.run_sql("ALTER TABLE sources RENAME TO elsewhere")

    page = show("/", status=503)

    assert page.one("h1").text == "The service cannot answer now"
    assert "data-live-page" in page.one("main").attributes


def test_files_are_named_by_their_content_and_kept_for_a_year(api: ApiClient, show):
    page = show("/")
    addresses = [
        page.one("link", rel="stylesheet").attributes["href"],
        page.one("link", rel="icon").attributes["href"],
        page.one("script").attributes["src"],
    ]

    for address in addresses:
        answer = api.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        name, _, digest = address.removeprefix("/page/").partition("?v=")
        assert PAGE_FILES[name].digest == digest
        assert answer.content == PAGE_FILES[name].content
