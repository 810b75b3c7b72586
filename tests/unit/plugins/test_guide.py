"""The guide's plugin works as it stands there, in fewer than 60 lines of code."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from cryptosource_crd.v1alpha1 import BUILT_IN_TYPES
from cryptosource_etl.clock import SystemClock
from cryptosource_etl.errors import Permanent
from cryptosource_etl.records import Quote, Rejection
from cryptosource_etl.sources import coingecko, registry
from cryptosource_etl.sources.plugin import SourceContext, SourcePlugin
from support.sources import make_source

GUIDE = Path(__file__).parents[3] / "docs" / "plugins.md"
BODY = b"""[{"id": "a", "ticker": "aaa", "title": "A", "usd": 1.50, "at": "2026-01-01T00:00:00Z"},
 {"id": "b", "ticker": "bbb", "usd": -1}, {"id": "c", "usd": 1e-18}]"""


def code_of_the_guide() -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 1
    return blocks[0]


class Upstream:
    """Answers every request, and keeps what it was authorized by."""

    def __init__(self) -> None:
        self.keys: list[tuple[str, str] | None] = []

    def get(self, _url: str, *, auth_header: tuple[str, str] | None) -> SimpleNamespace:
        self.keys.append(auth_header)
        return SimpleNamespace(body=BODY)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The guide's package, as if pip had installed it."""
    (tmp_path / "acme_source.py").write_text(code_of_the_guide())
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("Acme", "acme_source:PLUGIN", registry.GROUP)
    monkeypatch.setattr(registry, "installed_types", lambda: {"Acme": entry})


@pytest.fixture
def context() -> SourceContext:
    source = make_source(
        type="Acme", options={"url": "https://api.acme.example/coins"}, batchSize=2
    )
    return SourceContext(source=source, http=Upstream(), clock=SystemClock())


def test_the_guides_plugin_has_fewer_than_60_lines_of_code() -> None:
    lines = [line for line in code_of_the_guide().splitlines() if line.strip()]

    assert len(lines) < 60


def test_the_guides_plugin_reads_judges_and_resumes(
    installed: None, context: SourceContext
) -> None:
    reader = registry.open_source(context)

    first, second = reader.pages({})
    judged = [
        reader.normalize(record, received_at=first.received_at)
        for page in (first, second)
        for record in page.records
    ]

    assert [type(outcome) for outcome in judged] == [Quote, Rejection, Quote]
    assert str(judged[0].price_usd) == "1.50"
    assert str(judged[2].price_usd) == "1E-18"
    assert first.cursor_after(1) == {"done": 1}
    assert second.cursor_after(1) == {}
    (resumed,) = reader.pages({"done": 2})
    assert [record.external_id for record in resumed.records] == ["c"]


@pytest.mark.parametrize(
    ("key", "sent"), [("a-key", ("X-Acme-Key", "a-key")), (None, None)], ids=["key", "none"]
)
def test_the_guides_plugin_sends_the_key_it_is_given_and_none_without(
    installed: None, context: SourceContext, key: str | None, sent: tuple[str, str] | None
) -> None:
    reader = registry.open_source(replace(context, api_key=key))

    list(reader.pages({}))

    assert context.http.keys == [sent]


def test_options_the_plugin_does_not_know_are_refused_with_their_path(
    installed: None, context: SourceContext
) -> None:
    spec = context.source.spec.model_copy(update={"options": {"url": "x", "colour": "red"}})
    source = context.source.model_copy(update={"spec": spec})

    with pytest.raises(Permanent, match=r"spec\.options\.colour"):
        registry.open_source(replace(context, source=source))


def test_no_plugin_takes_the_name_of_a_built_in_type_and_with_it_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thief = EntryPoint("CoinGecko", "builtins:print", registry.GROUP)
    monkeypatch.setattr(registry, "installed_types", lambda: {"CoinGecko": thief})

    assert registry.plugin_for("CoinGecko") is coingecko.PLUGIN


@pytest.mark.parametrize("source_type", BUILT_IN_TYPES)
def test_every_built_in_type_is_served(source_type: str) -> None:
    assert isinstance(registry.plugin_for(source_type), SourcePlugin)


def test_an_unknown_type_names_those_that_are_installed() -> None:
    with pytest.raises(Permanent, match="did you mean CoinGecko"):
        registry.plugin_for("CoinGeko")
