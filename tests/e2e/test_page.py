"""The page in a real browser: seen, read, used with a keyboard, on a phone, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hack.showcase.seeding import seed
from sqlalchemy import URL

from cryptosource_api.page.source_states import STATES
from cryptosource_store.engine import session_engine
from support import postgres as postgres_support
from support.api import Market
from support.browsing import PHONE, UNREADABLE, WIDER_THAN_SCREEN, Site, chromium, served

MOST_STOPS = 500
"""Of the keyboard on a page; more than any has."""
HOSTILE = "<script>alert(1)</script>" + "W" * 200 + "\u202egnp.nioc"


@pytest.fixture(scope="module")
def site(postgres: URL, migrated_template: str) -> Iterator[Site]:
    """A database with every state and with names nobody should have, and a browser."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        engine = session_engine(url, application="cryptosource-test")
        seed(engine)
        with Market(engine) as market:
            source_id = market.source(HOSTILE, schedule="*/5 * * * *")
            market.coin(HOSTILE.upper(), source_id, slug="hostile", name=HOSTILE, price_usd=1)
            market.run(source_id, "failure", reason="UpstreamError", message=HOSTILE * 5)
        engine.dispose()
        with served(url) as server, chromium() as started:
            yield Site(server.url, started)


@pytest.fixture(scope="module")
def paths(site: Site) -> dict[str, str]:
    """A page of each kind: name -> path."""
    with site.visit("/runs?source=coinpaprika") as visit:
        drifted = visit.page.locator("tbody th a").first.get_attribute("href") or ""
        visit.go("/")
        row = visit.page.get_by_role("row").filter(has_text="alert(1)")
        failed = row.locator("svg a").last.get_attribute("href") or ""
        hostile = row.locator("a.name").get_attribute("href") or ""
    return {
        "sources": "/",
        "a failing source": "/sources/research/desk-prices",
        "a drifted source": "/sources/crypto/coinpaprika",
        "a source that never ran": "/sources/crypto/new-listings",
        "a hostile source": hostile,
        "coins": "/coins",
        "a coin": "/coins/BTC",
        "a hostile coin": "/coins/~hostile",
        "runs": "/runs",
        "a drifted run": drifted,
        "a hostile run": failed,
        "nothing": "/coins/NOPE",
        "nothing found": "/coins?q=nothing",
    }


def test_each_state_can_be_told_apart_without_its_colour(site: Site):
    one_colour = ".state, .icon, .body, .icon * { --tone: #000 !important; animation: none }"
    with site.visit("/", bypass_csp=True) as visit:
        visit.page.add_style_tag(content=one_colour)
        pictures = {
            key: visit.page.locator(f".sources .icon.is-{key}").first.screenshot() for key in STATES
        }

    assert len(set(pictures.values())) == len(STATES)


def test_each_state_is_told_to_who_cannot_see(site: Site):
    with site.visit("/") as visit:
        tree = visit.page.get_by_role("table").aria_snapshot()

    for state in STATES.values():
        assert f'- cell "{state.label}"' in tree
    assert 'img "Last 29 runs: 23 success, 6 failure"' in tree


def test_the_table_stays_a_table_on_a_phone(site: Site):
    with site.visit("/", PHONE) as visit:
        table = visit.page.get_by_role("table")

        assert (
            table.get_by_role("row").count() == len(STATES) + 2
        )  # with its head, and the hostile one
        assert table.get_by_role("columnheader").count() == 6


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_stands_out_from_its_ground(site: Site, paths: dict[str, str], dark: bool):
    with site.visit("/", dark=dark) as visit:
        for name in visit.tour(paths):
            for summary in visit.page.locator("summary").all():
                summary.click()
            found = visit.page.evaluate(UNREADABLE)

            assert found["wrong"] == [], name
            assert found["seen"] > 10, name


@pytest.mark.parametrize("size", [PHONE, (768, 900), (1280, 900)], ids=lambda size: str(size[0]))
def test_nothing_scrolls_sideways_but_tables_in_their_box(
    site: Site, paths: dict[str, str], size: tuple[int, int]
):
    with site.visit("/", size) as visit:
        for name in visit.tour(paths):
            assert visit.page.evaluate(WIDER_THAN_SCREEN) == [], name


def test_no_page_complains(site: Site, paths: dict[str, str]):
    with site.visit("/") as visit:
        for name in visit.tour(paths):
            said = [each for each in visit.complaints if name != "nothing" or "404" not in each]

            assert said == [], name


def test_everything_that_can_be_used_has_a_name(site: Site, paths: dict[str, str]):
    nameless = re.compile(r"^\s*- (link|button|searchbox|combobox|textbox|region|navigation)(:|$)")
    with site.visit("/") as visit:
        for name in visit.tour(paths):
            tree = visit.page.locator("body").aria_snapshot().splitlines()

            assert len(tree) > 10, name
            assert [line for line in tree if nameless.match(line)] == [], name


def test_a_keyboard_gets_everywhere_and_sees_where_it_is(site: Site):
    with site.visit("/") as visit:
        page = visit.page
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        assert skip.evaluate(
            "e => e === document.activeElement && e.getBoundingClientRect().top >= 0"
        )

        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        reached = []
        while page.evaluate("document.activeElement !== document.body"):
            assert len(reached) < MOST_STOPS, f"the keyboard goes round for ever: {reached[-9:]}"
            seen = page.evaluate(
                "(() => { const e = document.activeElement, s = getComputedStyle(e),"
                " r = e.getBoundingClientRect(); return [e.textContent.trim(),"
                " s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2,"
                " r.bottom > 0 && r.top < innerHeight]; })()"
            )
            assert seen[1:] == [True, True], seen
            reached.append(seen[0])
            page.keyboard.press("Tab")

    assert reached[0] == "2 failing"
    assert {"desk-prices", "coingecko", "What the states mean"} <= set(reached)


def test_a_coin_is_found_by_keyboard_alone(site: Site):
    with site.visit("/coins") as visit:
        page = visit.page
        page.get_by_label("Symbol or name").focus()
        page.keyboard.type("monero")
        page.keyboard.press("Enter")
        page.wait_for_url("**/coins?q=monero*")
        page.get_by_role("link", name="XMR Monero").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/coins/XMR")

        assert page.get_by_role("heading", level=1).inner_text().split() == ["Monero", "XMR"]


PASSING = re.compile(r"\d+ (s|min) ago|(in|for) \d+ (s|min)|[\d:]{8}|request \S+|\d+ min \d+ s|now")
"""What differs between two looks at a page."""


def test_everything_is_there_without_javascript(site: Site, paths: dict[str, str]):
    with site.visit("/") as scripted, site.visit("/", java_script_enabled=False) as bare:
        for name, other in zip(scripted.tour(paths), bare.tour(paths), strict=True):
            shown, without = (PASSING.sub("", each.main) for each in (scripted, bare))

            assert name == other
            assert shown == without, name
            assert not bare.page.locator("#live").is_visible()


def test_a_search_and_a_range_work_without_javascript(site: Site):
    with site.visit("/coins", java_script_enabled=False) as visit:
        page = visit.page
        page.get_by_label("Known to").select_option(label="desk-prices (research, 6)")
        page.get_by_role("button", name="Search").click()
        assert "6 coins" in visit.main
        page.get_by_role("link", name="BTC Bitcoin").click()
        page.get_by_role("link", name="30d").click()

        assert page.url.endswith("/coins/BTC?range=30d")
        assert page.locator(".chart.at-desk polyline").count() >= 4


def test_a_hostile_name_runs_nothing_and_turns_nothing_round(site: Site, paths: dict[str, str]):
    with site.visit("/") as visit:
        visit.page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        names = ("sources", "a hostile source", "a hostile coin", "a hostile run")
        for name in visit.tour({name: paths[name] for name in names}):
            assert "<script>alert(1)</script>" in visit.main.lower(), name
            assert visit.page.locator("footer").inner_text().startswith("CryptoSource "), name
