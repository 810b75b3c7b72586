"""The page keeps itself current, and leaves the person who looks at it in peace."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect
from sqlalchemy import URL, Engine

from support.api import Market
from support.api_keys import make_key
from support.browsing import Site, chromium, served
from support.readers import coin
from support.runs import load

POLL_MS = 31_000
"""A little more than the page takes its time without news."""
ASSETS = "/page/"
TRIES = 60


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def market(engine: Engine) -> Iterator[Market]:
    with Market(engine) as market:
        yield market


@pytest.fixture
def gecko(market: Market) -> int:
    source_id = market.source("gecko", schedule="*/5 * * * *", max_age_seconds=600)
    market.run(source_id, started_at=datetime.now(UTC), reason="Completed")
    return source_id


@pytest.fixture
def site(database: URL, started: Browser) -> Iterator[Site]:
    with served(database) as server:
        yield Site(server.url, started)


def look(site: Site, path: str = "/") -> Page:
    """Open a page whose clock is the test's, and mark it, so that a reload would show."""
    context = site.chromium.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(site.address + path)
    page.evaluate("window.neverReloaded = true")
    return page


def wait_until(page: Page, locator: Locator, text: str) -> None:
    """Let the page's clock run until something says what it should.

    More than once, because what the page asks for takes real time, which its clock does not see.
    """
    for _ in range(TRIES):
        page.clock.run_for(POLL_MS)
        try:
            expect(locator).to_have_text(text, timeout=500)
        except AssertionError:
            continue
        return
    expect(locator).to_have_text(text)


def test_a_failure_appears_without_a_reload(site: Site, market: Market, gecko: int):
    page = look(site)
    state = page.locator(".c-state")
    expect(state).to_have_text("fresh")

    market.run(gecko, "failure", started_at=datetime.now(UTC), reason="KeyRejected", message="no")
    wait_until(page, state, "failing")

    expect(page.locator(".why")).to_have_text("KeyRejected: no")
    expect(page).to_have_title("1 of 1 need attention · CryptoSource")
    expect(page.locator("tr.changed")).to_have_count(1)
    assert page.evaluate("window.neverReloaded")


def test_the_page_of_a_source_follows_it_without_a_reload(site: Site, market: Market, gecko: int):
    page = look(site, "/sources/crypto/gecko")
    state = page.locator("h1 .state")
    expect(state).to_have_text("fresh")
    link = page.get_by_role("link", name="All runs of this source")
    link.focus()

    market.run(gecko, "failure", started_at=datetime.now(UTC), reason="KeyRejected", message="no")
    wait_until(page, state, "failing")

    expect(page.locator("div.message")).to_contain_text("KeyRejected: no")
    expect(link).to_be_focused()
    assert page.evaluate("window.neverReloaded")


def test_a_price_appears_without_a_reload(site: Site, market: Market, gecko: int):
    asset_id = market.coin("BTC", gecko, name="Bitcoin", price_usd=100)
    page = look(site, "/coins")
    expect(page.locator("td.price")).to_have_text("$100.00")

    market.run_sql("UPDATE unified SET price_usd = 250 WHERE asset_id = :id", id=asset_id)
    wait_until(page, page.locator("td.price"), "$250.00")

    assert page.evaluate("window.neverReloaded")


def test_the_keyboard_stays_where_it_is(site: Site, market: Market, gecko: int):
    page = look(site)
    link = page.get_by_role("link", name="gecko", exact=True)
    link.focus()

    market.run(gecko, "failure", started_at=datetime.now(UTC), reason="KeyRejected")
    wait_until(page, page.locator(".c-state"), "failing")

    expect(link).to_be_focused()


def test_what_was_opened_stays_open(site: Site, market: Market, gecko: int):
    asset_id = market.coin("BTC", gecko, name="Bitcoin", price_usd=100)
    page = look(site, "/coins/BTC")
    page.locator("summary").click()

    market.run_sql("UPDATE quotes_latest SET price_usd = 250 WHERE asset_id = :id", id=asset_id)
    wait_until(page, page.locator("td.price"), "$250.00")

    expect(page.locator("details")).to_have_attribute("open", "")


def test_a_selection_is_not_taken_away(site: Site, market: Market, gecko: int):
    page = look(site)
    page.locator(".name").select_text()

    market.run(gecko, "failure", started_at=datetime.now(UTC), reason="KeyRejected")
    answered: list[str] = []
    page.on("response", lambda response: answered.append(response.url))
    for _ in range(TRIES):  # the second is asked for when the first has been dealt with
        page.clock.run_for(POLL_MS)
        page.wait_for_timeout(100)  # real time, which an answer takes
        if len(answered) > 1:
            break

    assert len(answered) > 1
    assert page.evaluate("String(getSelection())") == "gecko"
    page.evaluate("getSelection().removeAllRanges()")
    wait_until(page, page.locator(".c-state"), "failing")


def test_it_can_be_paused_and_resumed(site: Site, market: Market, gecko: int):
    page = look(site)
    asked: list[str] = []

    def note(request: Request) -> None:
        if ASSETS not in request.url:  # a browser fetches the icon when it likes
            asked.append(request.url)

    page.on("request", note)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("Paused")

    market.run(gecko, "failure", started_at=datetime.now(UTC), reason="KeyRejected")
    page.clock.run_for(10 * POLL_MS)
    assert asked == []

    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".c-state")).to_have_text("failing")


def test_a_lost_connection_is_said_and_mended(site: Site, market: Market, gecko: int):
    page = look(site)
    lost = threading.Event()
    lost.set()
    page.route("**/*", lambda route: route.abort() if lost.is_set() else route.continue_())

    page.clock.run_for(POLL_MS)
    expect(page.get_by_role("status")).to_contain_text("No connection")
    expect(page.locator(".c-state")).to_have_text("fresh")

    lost.clear()
    wait_until(page, page.locator("#live span"), "Live")


def test_a_commit_is_shown_at_once_by_the_stream_alone(site: Site, database: URL, started: Browser):
    load(database, [coin("btc", symbol="BTC", price="5")])
    page = listening_page(site, "/coins", "**/data/stream?symbol=BTC")
    expect(page.locator("td.price")).to_have_text("$5.0000")

    load(database, [coin("btc", symbol="BTC", price="6", at=5)])

    expect(page.locator("td.price")).to_have_text("$6.0000", timeout=60_000)


@pytest.mark.parametrize(
    ("path", "shown", "before", "after"),
    [
        ("/", ".c-state", "fresh", "failing"),
        ("/sources/crypto/gecko", "h1 .state", "fresh", "failing"),
        ("/runs?source=gecko", "tbody tr:first-child", "success", "failure"),
    ],
)
def test_a_run_is_shown_at_once_by_the_stream_alone(
    site: Site, market: Market, gecko: int, path: str, shown: str, before: str, after: str
):
    page = listening_page(site, path, "**/data/stream?about=runs*")
    expect(page.locator(shown)).to_contain_text(before)

    market.run(gecko, "failure", started_at=datetime.now(UTC), reason="KeyRejected")

    expect(page.locator(shown)).to_contain_text(after, timeout=60_000)


def test_what_happened_while_the_stream_was_away_is_shown_when_it_is_back(
    site: Site, market: Market, gecko: int
):
    asked: list[str] = []

    def end_the_first(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            body = "retry: 100\n\nevent: open\ndata: {}\n\n"
            route.fulfill(content_type="text/event-stream", body=body)
            return
        if len(asked) == 2:
            market.run(gecko, "failure", started_at=datetime.now(UTC), reason="KeyRejected")
        route.continue_()

    page = site.chromium.new_context().new_page()
    page.route("**/", without_polling)
    page.route("**/data/stream*", end_the_first)
    page.goto(site.address)

    expect(page.locator(".c-state")).to_have_text("failing", timeout=60_000)


def test_where_there_are_streams_enough_the_page_is_asked_for_now_and_then(
    database: URL, started: Browser, market: Market, gecko: int
):
    with served(database, stream_clients=0) as server:
        page = look(Site(server.url, started))
        expect(page.locator(".c-state")).to_have_text("fresh")

        market.run(gecko, "failure", started_at=datetime.now(UTC), reason="KeyRejected")
        wait_until(page, page.locator(".c-state"), "failing")

        assert page.evaluate("window.neverReloaded")


def listening_page(site: Site, path: str, stream: str) -> Page:
    """Return a page that listens, and would ask for itself without news once a day only."""
    page = site.chromium.new_context().new_page()
    page.route("**" + path, without_polling)
    with page.expect_response(stream) as response:
        page.goto(site.address + path)
    assert response.value.headers["content-type"].startswith("text/event-stream")
    return page


def without_polling(route: Route) -> None:
    answer = route.fetch()
    body = re.sub(r'data-live-page="\d+"', 'data-live-page="86400000"', answer.text())
    assert "86400000" in body
    route.fulfill(response=answer, body=body)


def test_where_keys_are_asked_for_a_browser_gives_one_as_its_password(
    database: URL, engine: Engine, started: Browser, gecko: int
):
    key = make_key(engine)
    with served(database, auth="keys") as server:
        site = Site(server.url, started)
        assert started.new_context().request.get(server.url).status == 401

        credentials = {"username": "anybody", "password": key}
        with site.visit("/", http_credentials=credentials) as visit:
            assert visit.page.locator(".c-state").inner_text() == "fresh"
            assert visit.page.evaluate("getComputedStyle(document.body).margin") == "0px"
            assert visit.complaints == []
