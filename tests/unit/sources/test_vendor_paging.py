"""How a pass over a vendor's pages begins, resumes, is told "not modified" and ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cryptosource_etl.errors import Retryable
from cryptosource_etl.http import Validators
from cryptosource_etl.records import Page
from cryptosource_etl.sources.coingecko import CoinGeckoReader
from cryptosource_etl.sources.coingecko.paging import MAX_PAGES
from cryptosource_etl.sources.coinpaprika import CoinPaprikaReader
from cryptosource_etl.sources.plugin import SourceContext
from support.sources import make_source

ALL = {"selection": {"all": True}}
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
Answer = Callable[[int], Sequence[str] | None]


class Upstream:
    """Answers each page with ids; None means 304 where the client knows the page's mark."""

    def __init__(self, pages: Sequence[Sequence[str]], *, etag: str = "e1") -> None:
        self.pages = pages
        self.etag = etag
        self.asked: list[int] = []
        self.unconditional = 0

    def get(self, url: str, *, params: Any, validators: Validators | None, **_: Any) -> Any:
        page = int(params.get("page", 1))
        self.asked.append(page)
        self.unconditional += validators is None
        ids = self.pages[page - 1] if page <= len(self.pages) else []
        if validators is not None and validators.etag == self.etag:
            return SimpleNamespace(status=304, validators=validators, body=b"")
        body = json.dumps([{"id": coin, "rank": 1} for coin in ids]).encode()
        return SimpleNamespace(status=200, validators=Validators(etag=self.etag), body=body)


def _reader(kind: Any, upstream: Any, **spec: Any) -> Any:
    member = {"coinGecko": spec.pop("member", {})} if kind is CoinGeckoReader else {}
    clock = SimpleNamespace(now=lambda: NOON)
    source = make_source(**member, **spec)
    return kind(SourceContext(source=source, http=upstream, clock=clock))


def _ids(pages: Sequence[Page]) -> list[str | None]:
    return [record.external_id for page in pages for record in page.records]


def _cursor(page: Page, count: int | None = None) -> Any:
    return json.loads(json.dumps(page.cursor_after(len(page.records) if count is None else count)))


def _coins(first: int, count: int) -> list[str]:
    return [f"c{number:04}" for number in range(first, first + count)]


def test_paprika_goes_on_after_the_last_id_whatever_the_ranks_do():
    upstream = Upstream([["c", "a", "d", "b"]])
    reader = _reader(CoinPaprikaReader, upstream, batchSize=3)
    first, last = reader.pages({})
    assert _ids([first, last]) == ["a", "b", "c", "d"]
    assert (first.starts_pass, last.starts_pass) == (True, False)
    upstream.pages = [["d", "b", "e", "a", "c"]]
    resumed = list(reader.pages(_cursor(first, 2)))
    assert _ids(resumed) == ["c", "d", "e"]
    assert not resumed[0].starts_pass
    assert not resumed[0].complete


def test_paprika_is_not_asked_again_for_what_it_has_not_changed():
    upstream = Upstream([["a"]])
    reader = _reader(CoinPaprikaReader, upstream)
    (page,) = reader.pages({})
    assert list(reader.pages(_cursor(page))) == []


@pytest.mark.parametrize("kind", [CoinPaprikaReader, CoinGeckoReader])
def test_an_answer_that_was_loaded_in_part_is_never_taken_for_unchanged(kind: Any):
    """Its first coins are of an earlier answer, which may have said something else."""
    upstream = Upstream([["a", "b", "c"]], etag="monday")
    reader = _reader(kind, upstream, batchSize=1)
    cut = _cursor(next(reader.pages({})))
    upstream.etag = "tuesday"
    resumed = list(reader.pages(cut))
    assert _ids(resumed) == ["b", "c"]
    assert _ids(list(reader.pages(_cursor(resumed[-1])))) == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [CoinPaprikaReader, CoinGeckoReader])
def test_no_coins_at_all_is_a_failure(kind: Any):
    with pytest.raises(Retryable, match="no coins"):
        list(_reader(kind, Upstream([[]])).pages({}))


@pytest.mark.parametrize("kind", [CoinPaprikaReader, CoinGeckoReader])
def test_the_first_page_of_a_pass_alone_starts_it(kind: Any):
    """From there on records are counted, and what the upstream lists is gathered."""
    upstream = Upstream([["a", "b", "c"]])
    reader = _reader(kind, upstream, batchSize=1)
    first, *others = reader.pages({})
    assert first.starts_pass
    assert not any(page.starts_pass for page in others)
    upstream.etag = "tuesday"
    (again, *_) = reader.pages(_cursor([first, *others][-1]))
    assert again.starts_pass
    assert not any(page.starts_pass for page in reader.pages(_cursor(first)))


def test_gecko_ends_with_a_short_page():
    upstream = Upstream([_coins(0, 250), _coins(250, 250), _coins(500, 1)])
    pages = list(_reader(CoinGeckoReader, upstream, member=ALL).pages({}))
    assert len(_ids(pages)) == 501
    assert upstream.asked == [1, 2, 3]
    assert list(pages[-1].records) == []


def test_gecko_asks_once_more_after_an_exact_multiple():
    upstream = Upstream([_coins(0, 250), _coins(250, 250)])
    assert len(_ids(list(_reader(CoinGeckoReader, upstream, member=ALL).pages({})))) == 500
    assert upstream.asked == [1, 2, 3]


def test_gecko_reads_nothing_of_pages_that_have_not_changed():
    upstream = Upstream([_coins(0, 250), _coins(250, 3)])
    reader = _reader(CoinGeckoReader, upstream)
    done = _cursor(list(reader.pages({}))[-1])
    upstream.unconditional = 0
    (end,) = reader.pages(done)
    assert list(end.records) == []
    assert upstream.unconditional == 0
    assert _cursor(end) == done


def test_gecko_resumes_in_the_middle_of_a_page():
    upstream = Upstream([_coins(0, 250), _coins(250, 3)])
    reader = _reader(CoinGeckoReader, upstream, batchSize=100)
    pages = reader.pages({})
    next(pages)
    cut = _cursor(next(pages), 20)
    assert _ids(list(reader.pages(cut))) == _coins(120, 133)


def test_gecko_reads_a_page_again_when_the_coin_it_stopped_at_is_gone():
    upstream = Upstream([["a", "b", "c"]])
    reader = _reader(CoinGeckoReader, upstream, batchSize=1)
    pages = reader.pages({})
    next(pages)
    cut = _cursor(next(pages))
    upstream.pages = [["a", "c", "d"]]
    assert _ids(list(reader.pages(cut))) == ["a", "c", "d"]


def test_gecko_finds_the_coin_that_slipped_past_between_two_pages():
    class Reshuffling(Upstream):
        def get(self, url: str, **asked: Any) -> Any:
            asked.setdefault("validators", None)
            answer = super().get(url, **asked)
            self.pages = [[*_coins(0, 249), "late"], ["c0249", *_coins(251, 249)]]
            return answer

    upstream = Reshuffling([_coins(0, 250), _coins(250, 250)])
    reader = _reader(CoinGeckoReader, upstream, member={"selection": {"top": 500}})
    ids = _ids(list(reader.pages({})))
    assert "late" in ids
    assert upstream.asked == [1, 2, 1]


def test_gecko_stops_at_a_limit_where_pages_never_end():
    class Endless(Upstream):
        def get(self, url: str, *, params: Any, **asked: Any) -> Any:
            self.pages = {int(params["page"]) - 1: _coins(int(params["page"]) * 250, 250)}
            self.pages = [[]] * (int(params["page"]) - 1) + [self.pages.popitem()[1]]
            return super().get(url, params=params, **asked)

    upstream = Endless([])
    for _ in _reader(CoinGeckoReader, upstream, member=ALL).pages({}):
        pass
    assert len(upstream.asked) == MAX_PAGES


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        (CoinGeckoReader, {"member": {"selection": {"ids": ["c0000"]}}}),
        (CoinGeckoReader, {"member": {**ALL, "baseUrl": "https://mirror.example/api/v3"}}),
        (CoinPaprikaReader, {"coinPaprika": {"selection": {"top": 1}}}),
    ],
)
def test_a_cursor_of_another_question_is_no_cursor(kind, changed):
    upstream = Upstream([_coins(0, 3)])
    asked = {"member": ALL} if kind is CoinGeckoReader else {}
    *_, last = _reader(kind, upstream, **asked).pages({})
    cursor, upstream.unconditional = _cursor(last), 0
    assert _ids(list(_reader(kind, upstream, **asked).pages(cursor))) == []
    assert upstream.unconditional == 0
    assert _ids(list(_reader(kind, upstream, **changed).pages(cursor)))[0] == "c0000"


def test_gecko_whose_paging_goes_in_circles_is_malformed_and_not_read_400_times():
    upstream = Upstream([_coins(0, 250)] * MAX_PAGES)
    with pytest.raises(Retryable, match="goes in circles"):
        list(_reader(CoinGeckoReader, upstream, member=ALL).pages({}))
    assert upstream.asked == [1, 2]
